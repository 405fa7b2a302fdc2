"""MACs of database rows: give them to the rows of a zone, find altered rows, decide about them."""
