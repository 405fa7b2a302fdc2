"""What agent and console say to each other, and what the zone key signs. Standard library only."""
