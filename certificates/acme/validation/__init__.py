"""Validation that a client controls a name: http-01, dns-01, and tls-alpn-01."""
