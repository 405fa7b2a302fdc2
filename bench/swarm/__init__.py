"""P-13: thousands of agents with the code of zac, through a complete change of the zone CA."""
