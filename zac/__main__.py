"""`python -m zac`, the agent in a checkout."""

from __future__ import annotations

import sys

from zac.cli.commands import main

if __name__ == "__main__":
    sys.exit(main())
