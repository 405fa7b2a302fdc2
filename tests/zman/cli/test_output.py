"""Output formats, tables on terminals and in pipes, colors, and progress."""

from __future__ import annotations

import csv
import io
import json
import re
from typing import Any

import pytest
import yaml
from rich.console import Console as Screen

from faults import Conflict
from zman.cli.output import Output
from zman.client import watch

STAGES = [
    {"number": 1, "name": "Prepare", "note": "", "mark": "done", "share": None},
    {"number": 2, "name": "Replicate [all]", "note": "2 of 4 [x]", "mark": "now", "share": [2, 4]},
    {"number": 3, "name": "Assign", "note": "", "mark": "", "share": None},
]
OPERATION = {
    "state": "replicating",
    "headline": "h",
    "stages": STAGES,
    "activates_at": "2030-05-17T22:00:00Z",
    "activated_at": None,
}
COLOR = re.compile(r"\x1b\[[0-9;]*3[0-7]m|\x1b\[3[0-7]")
LONG = "a long reason " * 20
ROWS: list[dict[str, Any]] = [
    {"name": "ps-01", "state": "failed", "certificate": {"not_after": "2030-01-01"}, "why": LONG},
    {"name": "ps-02", "state": "completed", "certificate": None, "why": "=1+1", "ips": ["a", "b"]},
]
COLUMNS = {"Server": "name", "State": "state", "Reason": "why"}
WIDE = {"Expires": "certificate.not_after", "Addresses": "ips"}


def terminal(monkeypatch: pytest.MonkeyPatch, *, no_color: str = "", width: int = 100) -> Output:
    monkeypatch.setenv("TERM", "xterm-256color")
    monkeypatch.delenv("NO_COLOR", raising=False)
    if no_color:
        monkeypatch.setenv("NO_COLOR", no_color)
    out = Output()
    out.messages = Screen(file=io.StringIO(), force_terminal=True, width=width)
    out.screen = Screen(file=io.StringIO(), force_terminal=True, width=width)
    return out


def written_to(screen: Screen) -> str:
    written = screen.file
    assert isinstance(written, io.StringIO)
    return written.getvalue()


def written_as(format_name: str, capsys: pytest.CaptureFixture[str]) -> str:
    Output(format_name).rows(ROWS, COLUMNS, WIDE)
    return capsys.readouterr().out


def test_stages_are_bars_on_a_terminal(monkeypatch):
    out = terminal(monkeypatch)
    assert out.has_progress_bars
    with watch._ProgressView(out) as view:
        view.show(OPERATION)
    text = written_to(out.messages)
    for word in ("Prepare", "Replicate [all]", "2 of 4 [x]", "Assign", "━"):
        assert word in text


def test_without_a_terminal_each_change_is_a_line(capsys):
    out = Output()
    assert not out.has_progress_bars
    with watch._ProgressView(out) as view:
        view.show(OPERATION)
    written = capsys.readouterr()
    assert written.err.startswith("replicating: h Replicate [all]: 2 of 4 [x]. Activation: 2030")
    assert written.out == ""


@pytest.mark.parametrize(
    ("format_name", "load"), [("json", json.loads), ("yaml", yaml.safe_load_all)]
)
def test_each_change_is_a_document_of_a_stream(format_name, load, capsys):
    out = Output(format_name)
    with watch._ProgressView(out) as view:
        view.show(OPERATION)
    found = load(capsys.readouterr().out)
    assert (found if format_name == "json" else next(found)) == OPERATION


@pytest.mark.parametrize(("no_color", "is_colored"), [("", True), ("1", False)])
def test_no_color_is_obeyed(monkeypatch, no_color, is_colored):
    out = terminal(monkeypatch, no_color=no_color)
    out.rows([{"state": "failed"}, {"state": "completed"}], {"State": "state"})
    assert bool(COLOR.search(written_to(out.screen))) is is_colored


def test_a_table_in_a_pipe_has_full_values_on_one_line_each(capsys):
    lines = written_as("table", capsys).splitlines()
    assert [line.split()[0] for line in lines] == ["Server", "ps-01", "ps-02"]
    assert LONG.strip() in lines[1]
    assert all(line == line.rstrip() for line in lines)


def test_a_table_on_a_terminal_is_cut_to_its_width(monkeypatch):
    out = terminal(monkeypatch, no_color="1", width=50)
    out.rows(ROWS, COLUMNS)
    lines = [re.sub(r"\x1b\[\d*m", "", line) for line in written_to(out.screen).splitlines()]
    assert len(lines) == 3
    assert max(map(len, lines)) <= 50
    assert lines[1].endswith("…")
    assert "ps-01" in lines[1], "the widest column is cut first"


def test_wide_adds_columns(capsys):
    assert "Expires" not in written_as("table", capsys)
    wide = written_as("wide", capsys)
    assert "Expires" in wide.splitlines()[0]
    assert "2030-01-01" in wide
    assert wide.splitlines()[2].endswith("a, b")


def test_json_and_yaml_have_all_fields(capsys):
    assert json.loads(written_as("json", capsys)) == ROWS
    assert yaml.safe_load(written_as("yaml", capsys)) == ROWS


def test_csv_has_the_fields_of_the_wide_table(capsys):
    found = list(csv.reader(io.StringIO(written_as("csv", capsys))))
    assert found[0] == ["name", "state", "why", "certificate.not_after", "ips"]
    assert found[1] == ["ps-01", "failed", LONG, "2030-01-01", ""]
    assert found[2] == ["ps-02", "completed", "'=1+1", "", "a, b"], "a formula is not run"


def test_name_prints_one_name_per_line(capsys):
    assert written_as("name", capsys) == "ps-01\nps-02\n"
    Output("name").result({"id": 7, "name": "pilot"}, "Created.")
    Output("name").result({"id": 7, "name": "pilot"}, "Created.", name="id")
    Output("name").result({"done": ["ps-01", "ps-02"]}, "Imported.", name="done")
    written = capsys.readouterr()
    assert written.out == "pilot\n7\nps-01\nps-02\n"
    assert written.err == ""


def test_one_resource_in_all_formats(capsys):
    value = {"name": "ps-01", "certificate": {"sha256": "ab"}, "ips": ["a", "b"], "active": True}
    Output("csv").record(value)
    assert capsys.readouterr().out == 'name,certificate.sha256,ips,active\nps-01,ab,"a, b",true\n'
    Output("yaml").record(value)
    assert yaml.safe_load(capsys.readouterr().out) == value
    Output().record(value)
    lines = capsys.readouterr().out.splitlines()
    assert [line.split() for line in lines] == [
        *(["name", "ps-01"], ["certificate.sha256", "ab"], ["ips", "a"], ["b"], ["active", "yes"])
    ]


def test_a_record_on_a_terminal_is_folded(monkeypatch):
    out = terminal(monkeypatch, no_color="1", width=60)
    out.record({"why": LONG})
    assert written_to(out.screen).count("reason") == 20


def test_a_result_is_a_message_for_people(capsys):
    Output().result({"name": "pilot"}, "Created pilot.")
    written = capsys.readouterr()
    assert (written.out, written.err) == ("", "Created pilot.\n")


def test_an_empty_list_is_reported(capsys):
    Output().rows([], COLUMNS)
    written = capsys.readouterr()
    assert written.out.split() == list(COLUMNS)
    assert written.err == "No results.\n"


def test_faults_are_json_only_with_json(capsys):
    for format_name in ("yaml", "csv", "name", "table"):
        Output(format_name).fault(Conflict("It runs.", action="Wait."))
        assert capsys.readouterr().err == "zman: It runs.\nWait.\n"
    Output("json").fault(Conflict("It runs.", action="Wait."))
    assert json.loads(capsys.readouterr().err)["action"] == "Wait."
