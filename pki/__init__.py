"""X.509: keys, names, requests, certificates, chains and sealing; PEM text goes in and out."""
