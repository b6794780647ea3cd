"""Upload: receive, check, publish."""
