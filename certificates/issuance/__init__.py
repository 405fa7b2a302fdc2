"""Server certificates: requests, signing, import, renewal, checks."""
