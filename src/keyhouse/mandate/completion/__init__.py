"""Proof that a mandate is complete."""
