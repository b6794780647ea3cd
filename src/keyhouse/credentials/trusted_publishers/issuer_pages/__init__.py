"""The pages on which operators keep the list of issuers."""
