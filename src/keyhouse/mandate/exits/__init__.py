"""Ways out of a mandate's scope, and help of others."""
