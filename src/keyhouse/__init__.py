"""Keyhouse: a self-hostable Python package index in which a stolen password is worthless."""

__version__ = "0.1.0"
