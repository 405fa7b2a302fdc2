"""System updates, their assignments, replication of their content, signed notices."""
