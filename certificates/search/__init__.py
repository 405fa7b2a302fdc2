"""Search over everything that a user can see."""
