"""The public pages: home, search, projects, help."""
