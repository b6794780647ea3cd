"""Template tags of staged releases."""
