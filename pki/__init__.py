"""X.509 primitives: keys, names, CSRs, certificates, chains, and encryption of secrets.

Public functions take and return PEM text.
"""
