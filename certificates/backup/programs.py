"""Run the programs that backups need: those of PostgreSQL, and the process of the drill."""

from __future__ import annotations

import subprocess
from collections.abc import Mapping, Sequence
from datetime import timedelta

from django.conf import settings
from django.utils.translation import gettext as _

from faults import Unavailable

TIMEOUT = timedelta(hours=6)


def run(command: Sequence[str], environment: Mapping[str, str]) -> str:
    """Run a program with exactly this environment, and return its output.

    Raises Unavailable if it is not installed, fails, or does not end.
    """
    try:
        done = subprocess.run(  # noqa: S603 - programs of the installation, arguments are a list
            command,
            env=dict(environment),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="replace",
            check=False,
            timeout=TIMEOUT.total_seconds(),
            cwd=settings.BASE_DIR,
        )
    except FileNotFoundError:
        raise Unavailable(
            _("%s is not installed on this server.") % command[0],
            action=_(
                "Install the client programs of PostgreSQL, in the version of the database "
                "server or a later one (Debian: postgresql-client)."
            ),
        ) from None
    except subprocess.TimeoutExpired:
        raise Unavailable(_("%s did not end within 6 hours.") % command[0]) from None
    if done.returncode != 0:
        lines = done.stderr.strip().splitlines() or [f"exit code {done.returncode}"]
        raise Unavailable(
            _("%(program)s failed: %(reason)s") % {"program": command[0], "reason": lines[-1][:500]}
        )
    return done.stdout
