"""The zone CA: its key, its gates, and the actions on it (manual, 1.2)."""
