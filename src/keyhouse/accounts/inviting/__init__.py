"""Inviting people: many at once from a list, and who of them has not come yet."""
