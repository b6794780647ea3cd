"""Who must hold a second factor, when, for what."""
