"""What templates ask about projects."""
