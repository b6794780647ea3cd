"""What people report about projects, and what became of it."""
