"""File formats: PEM, DER, PKCS #7, BER, CSR."""
