"""Sign-ins that stop after the right password, in a browser that the account doesn't know: told to its owner (ASVS 6.3.5)."""
