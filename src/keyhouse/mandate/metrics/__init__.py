"""How adoption went, by day."""
