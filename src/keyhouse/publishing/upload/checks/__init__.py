"""The steps of an upload, one file each."""
