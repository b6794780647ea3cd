"""The check-up: some weeks after somebody enrolled they are asked, once, whether what they enrolled still works."""
