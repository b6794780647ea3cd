"""What a mandate would refuse, written down and not done."""
