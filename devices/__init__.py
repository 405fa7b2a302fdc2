"""The zone, its devices, how they register and refresh."""
