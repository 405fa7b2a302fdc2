"""What the zone trusts, and which devices have not caught up."""
