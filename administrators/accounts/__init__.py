"""Administrator accounts: roles, policies, setup links, pages."""
