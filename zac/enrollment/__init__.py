"""Registration and the initial certificate."""
