"""Blobs: the bytes of files, kept by the digest of their content."""
