"""How files get in."""
