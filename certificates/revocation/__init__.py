"""Revocation of server certificates: the rule, its dialog and API, replacements, CRLs, and OCSP."""
