"""Registration of devices: checks, keys, states, rate limits."""
