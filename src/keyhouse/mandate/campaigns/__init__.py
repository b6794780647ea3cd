"""Launching, pausing and ending mandates."""
