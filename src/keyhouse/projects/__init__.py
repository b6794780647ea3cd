"""Projects, releases, files, roles and life cycle; writes the index pages when something changes."""
