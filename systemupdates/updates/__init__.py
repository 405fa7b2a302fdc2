"""System updates: states, life cycle, pages, and REST API."""
