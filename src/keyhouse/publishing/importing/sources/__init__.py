"""Where files are imported from: one file for each kind of source."""
