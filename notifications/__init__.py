"""Tell people and programs what happened: by mail and by webhooks, with retries and history."""
