"""Content on the device: download, replication, and the content server."""
