"""Organizations: who belongs to them, teams, invitations; projects say which of them they stand in."""
