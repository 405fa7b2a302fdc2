"""`zcc-manage COMMAND`: run a management command with the settings of the installed services.

It runs as user zcc. `zcc-manage join URL` registers this server in a zone. It reads the
registration key from standard input.

Only the standard library and `settings_file`, because this module runs as root.
"""

from __future__ import annotations

import os
import pwd
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from zcc.installation import settings_file

BASE_DIR = Path(__file__).resolve().parents[2]
PATHS_FILE = BASE_DIR / "deploy" / "systemd" / "paths.env"
SETTINGS_FILE = Path("/etc/zcc/zcc.env")
USER = "zcc"
# What a terminal program needs. Everything else comes from the settings file.
INHERITED = ("PATH", "LANG", "LC_ALL", "TERM", "COLUMNS", "NO_COLOR")
USAGE_ERROR = 2


def build_command(arguments: Sequence[str]) -> list[str]:
    """Return the command line for the arguments of `zcc-manage`."""
    if arguments[:1] == ["join"]:
        return [sys.executable, "-P", "-m", "zcc.start", *arguments]
    return [sys.executable, "-P", str(BASE_DIR / "manage.py"), *arguments]


def build_environment(inherited: Mapping[str, str]) -> dict[str, str]:
    """Return the environment that the services have. Raises OSError or InvalidLine."""
    kept = {name: inherited[name] for name in INHERITED if name in inherited}
    own = {"PYTHONPATH": str(BASE_DIR), "PYTHONDONTWRITEBYTECODE": "1"}
    paths = settings_file.read(PATHS_FILE)
    return {**kept, **own, **paths, **settings_file.read(SETTINGS_FILE)}


def become_user() -> None:
    """Run as user zcc from now on. Raises KeyError if it does not exist."""
    account = pwd.getpwnam(USER)
    if os.getuid() == account.pw_uid:
        return
    os.initgroups(USER, account.pw_gid)
    os.setgid(account.pw_gid)
    os.setuid(account.pw_uid)


def main() -> None:
    """Replace this process with the command."""
    arguments = sys.argv[1:]
    if not arguments:
        sys.stderr.write("usage: zcc-manage COMMAND [OPTIONS], or zcc-manage join URL\n")
        sys.exit(USAGE_ERROR)
    try:
        environment = build_environment(os.environ)
        become_user()
    except KeyError:
        sys.exit(f"zcc-manage: user {USER} does not exist. Nothing was run. Install the console.")
    except PermissionError:
        sys.exit("zcc-manage: permission denied. Nothing was run. Run the command as root.")
    except (OSError, settings_file.InvalidLine) as error:
        sys.exit(f"zcc-manage: {error} Nothing was run. Correct {SETTINGS_FILE}.")
    os.umask(0o077)
    command = build_command(arguments)
    os.execve(command[0], command, environment)  # noqa: S606 - our own program, as a list


if __name__ == "__main__":
    main()
