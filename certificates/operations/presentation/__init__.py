"""Pages, dialogs, and forms of operations."""
