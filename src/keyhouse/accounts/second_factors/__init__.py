"""One folder for each kind of second factor."""
