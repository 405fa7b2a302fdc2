"""The Certificate Remint Tool as a file to download."""
