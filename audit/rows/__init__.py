"""MACs of database rows: who can only write to the database cannot make them."""
