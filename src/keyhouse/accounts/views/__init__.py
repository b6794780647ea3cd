"""The account pages: form, service, redirect."""
