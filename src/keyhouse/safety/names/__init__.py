"""Who may make projects, and names that are kept for somebody."""
