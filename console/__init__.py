"""The web toolkit that all pages share: requests, dialogs, tables, errors, REST API."""
