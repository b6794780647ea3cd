"""Passwords that others know: where they are looked up, and how the file of them is made."""
