"""What a person sees on a terminal: bars for the stages, colours unless NO_COLOR says otherwise."""

from __future__ import annotations

import io
import re

import pytest
from rich.console import Console as Screen

from zman.cli.output import Output
from zman.client import watch

STAGES = [
    {"number": 1, "name": "Prepare", "note": "", "mark": "done", "share": None},
    {"number": 2, "name": "Replicate [all]", "note": "2 of 4 [x]", "mark": "now", "share": [2, 4]},
    {"number": 3, "name": "Assign", "note": "", "mark": "", "share": None},
]
TOLD = {"state": "replicating", "headline": "h", "stages": STAGES}
COLOUR = re.compile(r"\x1b\[[0-9;]*3[0-7]m|\x1b\[3[0-7]")


def terminal(monkeypatch: pytest.MonkeyPatch, *, no_color: str = "") -> Output:
    monkeypatch.setenv("TERM", "xterm-256color")
    monkeypatch.delenv("NO_COLOR", raising=False)
    if no_color:
        monkeypatch.setenv("NO_COLOR", no_color)
    out = Output(as_json=False)
    out.aside = Screen(file=io.StringIO(), force_terminal=True, width=100)
    out.screen = Screen(file=io.StringIO(), force_terminal=True, width=100)
    return out


def shown(screen: Screen) -> str:
    written = screen.file
    assert isinstance(written, io.StringIO)
    return written.getvalue()


def test_stages_are_bars_for_a_person(monkeypatch):
    out = terminal(monkeypatch)
    assert out.is_watched
    with watch._Bars(out) as bars:
        bars.show(TOLD)
    text = shown(out.aside)
    for word in ("Prepare", "Replicate [all]", "2 of 4 [x]", "Assign", "━"):
        assert word in text


def test_without_a_terminal_each_change_is_a_line(capsys):
    out = Output(as_json=False)
    assert not out.is_watched
    with watch._Bars(out) as bars:
        bars.show(TOLD)
    told = capsys.readouterr()
    assert told.err == "replicating: h\n"
    assert told.out == ""


@pytest.mark.parametrize(("no_color", "coloured"), [("", True), ("1", False)])
def test_colours_are_left_out_where_nobody_wants_them(monkeypatch, no_color, coloured):
    out = terminal(monkeypatch, no_color=no_color)
    out.table([{"state": "failed"}, {"state": "completed"}], {"State": "state"})
    assert bool(COLOUR.search(shown(out.screen))) is coloured
