"""Taking a file, a release or a project out of every face of the index, and putting it back."""
