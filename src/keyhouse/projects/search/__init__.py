"""Finding projects: by any spelling of their name, by words of what they say of themselves, by filters."""
