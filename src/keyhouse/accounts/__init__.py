"""People: accounts, e-mail addresses, passwords, sessions and their strength, second factors."""
