"""Who has a role in a project: invited, accepted, changed, removed, left."""
