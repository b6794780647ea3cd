"""Measurements, each with its peer in the same run, printed as ratios."""
