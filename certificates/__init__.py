"""Zone CA, server certificates, and the operations that replace them."""
