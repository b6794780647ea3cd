"""Pages about mandates: one's own, those of a project's people, the public one, the operators'."""
