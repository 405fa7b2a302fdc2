"""Run zman against the console in the same process, without TLS."""

from __future__ import annotations

import json
import logging
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import httpx
import pytest
from django.core.signals import request_finished, request_started
from django.core.wsgi import get_wsgi_application
from django.db import close_old_connections

from certificates.authority import key_jobs
from certificates.models import VaultJob
from tests.api.conftest import EVERY_RIGHT, Caller, caller
from zman.cli import main as zman
from zman.client import watch
from zman.client.client import Console


@dataclass
class Run:
    """The exit code and the output of a command."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)


class ConsoleTransport(httpx.WSGITransport):
    """The console in this process. It uses the database connection of the test."""

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        for signal in (request_started, request_finished):
            signal.disconnect(close_old_connections)
        try:
            answer = super().handle_request(request)
            body = b"".join(answer.stream)  # type: ignore[arg-type]
            answer.close()
        finally:
            for signal in (request_started, request_finished):
                signal.connect(close_old_connections)
        return httpx.Response(answer.status_code, headers=answer.headers, content=body)


class Zman:
    """A shell of an administrator in which zman can be run."""

    def __init__(self, who: Caller, folder: Path, capsys: Any, patch: Any) -> None:
        self.who, self.folder, self._capsys, self.patch = who, folder, capsys, patch
        self._transport = ConsoleTransport(app=get_wsgi_application())

    def __call__(self, *arguments: str) -> Run:
        """Run one command with --yes."""
        self._capsys.readouterr()
        logging.disable(logging.CRITICAL)  # the log of the console
        try:
            code = zman.main([*arguments, "--yes"], partial(Console, transport=self._transport))
        finally:
            logging.disable(logging.NOTSET)
        return Run(code, *self._capsys.readouterr())

    def good(self, *arguments: str) -> Run:
        """Run a command that must succeed."""
        run = self(*arguments)
        assert run.code == 0, run
        return run

    def json(self, *arguments: str) -> Any:
        """Return what a command prints with --json."""
        return self.good(*arguments, "--json").json


@pytest.fixture
def shell(zone: Any, tmp_path: Path, capsys: Any, monkeypatch: pytest.MonkeyPatch) -> Any:
    """A shell with a console and a token with all rights in its environment."""
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    monkeypatch.setenv("ZMAN_URL", "https://console.example:8443")
    monkeypatch.setattr(watch, "POLL_SECONDS", 0.0)
    monkeypatch.setattr(watch, "JOB_POLL_SECONDS", 0.0)
    who = caller("everybody", *EVERY_RIGHT)
    monkeypatch.setenv("ZMAN_TOKEN", who.text)
    zone.first.refresh()
    return Zman(who, tmp_path, capsys, monkeypatch)


@pytest.fixture
def served(monkeypatch: pytest.MonkeyPatch) -> None:
    """Run CA key operations while zman waits for them."""
    from django.utils import timezone

    def asked(_seconds: float) -> None:
        for job in VaultJob.objects.filter(state="waiting"):
            key_jobs.run(job, now=timezone.now())

    monkeypatch.setattr("zman.client.watch.time.sleep", asked)
