"""API tokens: macaroons, and the ledger that says who minted which, how strongly, and when it was used."""
