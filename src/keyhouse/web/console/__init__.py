"""The console of those who run the index: its pages and what these read. Who writes are the services of each feature."""
