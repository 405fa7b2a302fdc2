"""The web kit: typed request, dialogs, tables, faults to pages."""
