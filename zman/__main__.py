"""Run `python -m zman`."""

import sys

from zman.cli.main import main

sys.exit(main())
