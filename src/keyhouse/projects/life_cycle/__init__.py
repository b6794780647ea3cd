"""What becomes of projects, releases and files: yank, delete, archive."""
