"""Switches that stop new accounts, new projects, uploads, deletions or everything."""
