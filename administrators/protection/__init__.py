"""MACs of accounts and API tokens, so that SQL alone creates no administrator."""
