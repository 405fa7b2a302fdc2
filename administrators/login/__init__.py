"""Login: passwords, lockout, two-factor authentication, OpenID Connect."""
