"""Read and write the files that are named on the command line."""

from __future__ import annotations

import os
from pathlib import Path

from faults import Invalid
from zman.cli.output import Output


def read_file(path: str, limit: int) -> bytes:
    """Return the content of a file. Raises Invalid if it exceeds `limit` bytes."""
    try:
        with Path(path).open("rb") as file:
            data = file.read(limit + 1)
    except OSError as error:
        raise Invalid(f"Cannot read {path}: {error.strerror}.") from error
    if len(data) > limit:
        raise Invalid(f"{path} exceeds the {limit // 1024} KiB limit. Nothing was sent.")
    return data


def write_file(out: Output, data: bytes, path: str) -> None:
    """Write a new file, or to stdout without a path. Existing files are not overwritten."""
    if not path or path == "-":
        out.text(data.decode())
        return
    try:
        with Path(path).open("xb") as file:
            file.write(data)
    except OSError as error:
        raise Invalid(f"Cannot write {path}: {error.strerror}. Nothing was saved.") from error
    out.say(f"Saved {path}.")


def write_private_file(path: Path, data: bytes) -> None:
    """Write a new file that only its owner can read (0600). Raises OSError."""
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())


def write_secret(out: Output, text: str, path: str = "") -> None:
    """Print a secret that is shown only once, or write it to a new private file."""
    if not path:
        out.text(f"{text}\n")
        return
    try:
        write_private_file(Path(path), f"{text}\n".encode())
    except OSError as error:
        out.text(f"{text}\n")
        raise Invalid(
            f"Cannot write {path}: {error.strerror}. The value is printed instead."
        ) from error
    out.say(f"Saved {path}.")
