"""Run `python -m zman`."""

import sys

from zman.main import main

sys.exit(main())
