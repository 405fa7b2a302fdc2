"""Passkeys as second factor: add, use, and remove them, and the requests to the browser."""
