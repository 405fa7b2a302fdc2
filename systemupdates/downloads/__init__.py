"""The files under /zenworks-setup/: the agent, its packages, and the Certificate Remint Tool."""
