"""The audit log: one record for each state change, written in the acting transaction."""
