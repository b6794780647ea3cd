"""Answers to abuse: switches, quarantine, reports, and who may use which name."""
