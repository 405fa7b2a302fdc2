"""The database backend of a process without a database URL. Every use of it is an error."""
