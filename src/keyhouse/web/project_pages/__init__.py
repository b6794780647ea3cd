"""What the pages of a project are made of: looking up, what is inside a file, how it was published, and more."""
