"""The pages and dialogs of certificates, and Home."""
