"""What a mandate would do to the index as it is, kept."""
