"""Help for pages and dialogs."""
