"""The REST API as zman calls it."""
