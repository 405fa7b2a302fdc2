"""The server pane: table, selection, dialogs, and downloads (manual, 1.3)."""
