"""The processes of an installation: web, worker, beat, agent, and the demo zone."""
