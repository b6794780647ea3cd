"""Staged releases: files that were uploaded and judged, and that nobody sees until a person publishes them."""
