"""`python -m zac`, and the entry point of the agent's zip application."""

from __future__ import annotations

import sys

from zac.cli.commands import main

if __name__ == "__main__":
    sys.exit(main())
