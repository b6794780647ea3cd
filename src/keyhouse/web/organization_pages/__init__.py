"""The pages of organizations: what everybody sees of one, and what its people do there."""
