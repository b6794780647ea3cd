"""Credentials that machines hold: API tokens now, trusted publishers beside them later."""
