"""What those who run the index do about people: suspend, reinstate, off-board, end sessions. None of it sets a password or factor."""
