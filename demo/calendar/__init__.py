"""The calendar of 2022 to 2024 once more: an index in the shape of the public one, its two mandates, its days, real doors."""
