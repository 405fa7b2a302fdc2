"""Registration, setup of the first server, and the initial certificate."""
