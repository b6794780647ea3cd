"""The outbox: what has to be mailed, written in the acting transaction and delivered outside of it."""
