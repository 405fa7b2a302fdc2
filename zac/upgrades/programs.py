"""Which version of the agent is in use, and which one is on trial: agent/upgrade.json.

The record is replaced as a whole. A file is stored before the record names it, and deleted after
the record no longer names it. So a process that is killed at any time leaves a working agent: the
installed program is never changed, and starts what the record names.

See: D-220
"""

from __future__ import annotations

from typing import Optional

from wire import json_codec
from wire.metadata import sha256
from wire.records import Record, replace
from wire.update_messages import NOT_UPGRADED, UPGRADED, AgentUpgradeResult
from zac.host import files
from zac.host.home import Home

FOLDER, NAME, SUFFIX = "agent", "upgrade.json", ".pyz"


class Program(Record):
    """One version of the agent in the folder `agent`."""

    sha256: str
    version: str


class UpgradeRecord(Record):
    """The versions of the agent in the data directory, and the result of the last offer.

    Without `current`, the installed program is in use. `previous` is used if `current` is damaged.
    `tries` counts the starts of `trial`, `time_limit` limits each of them, in seconds. `offer` is
    the ID of the last offer, and `state` its result, "" as long as there is none.
    """

    current: Optional[Program] = None
    previous: Optional[Program] = None
    trial: Optional[Program] = None
    tries: int = 0
    time_limit: int = 0
    offer: str = ""
    state: str = ""
    detail: str = ""


def load(home: Home) -> UpgradeRecord:
    """Return the record. One that cannot be read means that the installed program is in use."""
    try:
        data = files.read(home.path_to(FOLDER, NAME))
        return UpgradeRecord() if data is None else json_codec.load(UpgradeRecord, data)
    except (OSError, json_codec.Malformed):
        return UpgradeRecord()


def start_trial(home: Home, record: UpgradeRecord, program: Program, data: bytes) -> None:
    """Store a version, and name it in the record as the one to try."""
    files.make_folder(home.path_to(FOLDER))
    files.write(get_path(home, program), data)
    save(home, replace(record, trial=program, tries=0, state="", detail=""))


def confirm_trial(home: Home) -> None:
    """Use the version on trial from now on, and keep the previous one."""
    record = load(home)
    if record.trial is not None:
        confirmed = replace(record, current=record.trial, previous=record.current, trial=None)
        save(home, replace(confirmed, tries=0, state=UPGRADED, detail=""))


def end_trial(home: Home, reason: str) -> None:
    """Stay with the version in use, and store why the one on trial was not used."""
    save(home, replace(load(home), trial=None, tries=0, state=NOT_UPGRADED, detail=reason))


def save(home: Home, record: UpgradeRecord) -> None:
    """Write the record, and delete the files that it does not name."""
    files.make_folder(home.path_to(FOLDER))
    files.write(home.path_to(FOLDER, NAME), json_codec.dump(record))
    programs = (record.current, record.previous, record.trial)
    kept = {NAME, *(one.sha256 + SUFFIX for one in programs if one)}
    for name in files.list_names(home.path_to(FOLDER)):
        if name not in kept:
            files.remove(home.path_to(FOLDER, name))


def get_path(home: Home, program: Program) -> str:
    """Return the path of a version."""
    return home.path_to(FOLDER, program.sha256 + SUFFIX)


def is_intact(home: Home, program: Program) -> bool:
    """Return True if the file of a version exists and has its digest."""
    data = files.read(get_path(home, program))
    return data is not None and sha256(data) == program.sha256


def get_result(home: Home) -> Optional[AgentUpgradeResult]:
    """Return the result of the last offer, None as long as there is none."""
    record = load(home)
    if not record.state:
        return None
    return AgentUpgradeResult(record.offer, record.state, record.detail)
