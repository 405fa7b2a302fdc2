"""The calls of agents under /zac/v1/."""
