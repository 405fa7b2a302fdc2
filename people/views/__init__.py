"""Pages of logging in, of a user's own security, and of the administrators."""
