"""What people and programs talk to: one service, its HTTP face, and the client of that."""
