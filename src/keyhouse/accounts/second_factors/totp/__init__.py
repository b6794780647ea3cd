"""Authenticator apps: time-based one-time codes (RFC 6238)."""
