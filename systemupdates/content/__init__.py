"""Content files and their replication to content servers."""
