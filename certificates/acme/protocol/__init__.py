"""The ACME protocol: signed requests, nonces, problem documents, and resources (RFC 8555)."""
