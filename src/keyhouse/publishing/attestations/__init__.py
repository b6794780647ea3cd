"""Signed statements about a file (PEP 740): who built it and where, checked against the publisher that sends it."""
