"""Files of the agent on a disk that becomes full in the middle of a line."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest

from zac.host import files


@pytest.fixture
def disk_with_five_octets(monkeypatch: pytest.MonkeyPatch) -> None:
    """The first write stores five octets, and the next one fails."""
    write, done = os.write, list[bool]()

    def write_less(handle: int, data: bytes) -> int:
        if done:
            raise OSError(errno.ENOSPC, "No space left on device")
        done.append(True)
        return write(handle, bytes(data[:5]))

    monkeypatch.setattr("zac.host.files.os.write", write_less)


@pytest.mark.parametrize("before", [b"", b'{"a": 1}\n'])
def test_a_full_disk_leaves_no_part_of_a_line(
    tmp_path: Path, disk_with_five_octets: None, before: bytes
) -> None:
    path = tmp_path / "journal.jsonl"
    path.write_bytes(before)
    with pytest.raises(files.NoSpace, match="No space left"):
        files.append(str(path), b'{"a": 2}\n')
    assert path.read_bytes() == before


def test_a_line_of_another_process_is_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "journal.jsonl"
    path.write_bytes(b"first\n")

    def fail_late(_handle: int, _data: bytes) -> int:
        with path.open("ab") as file:
            file.write(b"a line of another process\n")
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("zac.host.files.os.write", fail_late)
    with pytest.raises(files.NoSpace):
        files.append(str(path), b"second\n")
    assert path.read_bytes() == b"first\na line of another process\n"
