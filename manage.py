#!/usr/bin/env python3
"""Run management commands."""

import os
import resource
import sys

from django.core.exceptions import ImproperlyConfigured
from django.core.management import execute_from_command_line

if __name__ == "__main__":
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))  # create_zone has keys in memory
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "zcc.settings")
    try:
        execute_from_command_line(sys.argv)
    except ImproperlyConfigured as error:
        sys.exit(f"{error}")
