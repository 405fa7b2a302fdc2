"""Verification of signatures in pure Python: Ed25519 and SLH-DSA."""
