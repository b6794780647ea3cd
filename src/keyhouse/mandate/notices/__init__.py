"""What people are told of mandates, and whether it reached them."""
