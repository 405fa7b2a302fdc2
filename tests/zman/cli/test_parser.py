"""Help, global options, old names, and shell completion."""

from __future__ import annotations

import argparse
import subprocess
from typing import Any

import pytest

from faults import Invalid
from zman import VERSION
from zman.cli import exit_codes, main
from zman.cli.main import make_parser
from zman.cli.parser import wants_json


def parse(*arguments: str) -> argparse.Namespace:
    return make_parser().parse_args(list(arguments))


def test_without_a_command_the_help_is_printed(capsys):
    assert main.main([]) == exit_codes.OK
    text = capsys.readouterr().out
    for section in ("Inventory:", "CA changes and operations:", "Administrators and access:"):
        assert section in text
    assert "exit codes:" in text


def test_help_shows_each_command_and_no_old_name():
    text = make_parser().format_help()
    for name in ("force-activation", "rollback", "assign-now", "request", "replica", "completion"):
        assert f"\n  {name}" in text
    for name in ("roll-back", "without-bridge", "confirm ", "send-again", "--json"):
        assert name not in text
    for command in ("remint", "change"):
        for words in ("--by-hand", "--immediately", " --key "):
            assert words not in help_of(command)


def help_of(command: str) -> str:
    (groups,) = subcommands(make_parser())
    (kinds,) = subcommands(groups.choices[command])
    return "".join(parser.format_help() for parser in kinds.choices.values())


def subcommands(parser: argparse.ArgumentParser) -> list[Any]:
    return [a for a in parser._actions if isinstance(a, argparse._SubParsersAction)]


def test_usage_of_a_command_names_the_command():
    with pytest.raises(Invalid) as caught:
        parse("replica")
    assert caught.value.action == "See: zman replica --help"


def test_the_version_is_printed(capsys):
    with pytest.raises(SystemExit) as caught:
        parse("--version")
    assert not caught.value.code
    assert capsys.readouterr().out == f"zman {VERSION}\n"


@pytest.mark.parametrize("is_before", [True, False])
@pytest.mark.parametrize(
    ("options", "field", "value"),
    [
        (["--url", "https://x"], "url", "https://x"),
        (["--profile", "lab"], "profile", "lab"),
        (["--access", "a.json"], "access", "a.json"),
        (["-o", "yaml"], "output", "yaml"),
        (["--json"], "output", "json"),
        (["--yes"], "yes", True),
    ],
)
@pytest.mark.parametrize("command", [["list", "servers"], ["admin", "unlock", "eve"]])
def test_global_options_are_accepted_before_and_after_the_command(
    command, options, field, value, is_before
):
    args = parse(*options, *command) if is_before else parse(*command, *options)
    assert getattr(args, field) == value


def test_global_options_are_accepted_between_the_words_of_a_command():
    assert parse("admin", "--yes", "unlock", "eve").yes is True


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (["force", "x"], ["force-activation", "x"]),
        (["roll-back"], ["rollback"]),
        (["without-bridge"], ["continue-without-cross-cert"]),
        (["assign"], ["assign-now"]),
        (["try-again"], ["retry"]),
        (["clear"], ["clear-failure"]),
        (["exclude", "--server", "s"], ["replica", "exclude", "--server", "s"]),
        (["include", "--server", "s"], ["replica", "include", "--server", "s"]),
        (["confirm", "1"], ["request", "approve", "1"]),
        (["refuse", "1"], ["request", "reject", "1"]),
        (["admin", "set-up-link", "eve"], ["admin", "setup-link", "eve"]),
        (["admin", "reset-second-factor", "eve"], ["admin", "reset-2fa", "eve"]),
        (["target", "test", "x"], ["notification-target", "test", "x"]),
        (["send-again", "1"], ["notification", "resend", "1"]),
        (["audit-export", "f"], ["audit", "export", "f"]),
        (["key", "make", "x"], ["registration-key", "create", "x"]),
        (["csr", "again", "s"], ["csr", "retry", "s"]),
        (["list", "confirmations"], ["list", "requests"]),
        (["list", "late"], ["list", "stragglers"]),
        (["list", "targets"], ["list", "notification-targets"]),
        (["list", "waiting"], ["list", "waiting-servers"]),
        (["show", "gates"], ["show", "actions"]),
        (["show", "target", "x"], ["show", "notification-target", "x"]),
        (["show", "ca", "--future"], ["show", "ca", "--new"]),
        (["watch", "--until", "cancelled"], ["watch", "--until", "canceled"]),
        (
            ["remint", "servers", "s", "--by-hand", "--immediately", "--key", "k"],
            ["remint", "servers", "s", "--manual-csr", "--immediate", "--idempotency-key", "k"],
        ),
    ],
)
def test_old_names_are_still_accepted(old, new):
    assert vars(parse(*old)) == vars(parse(*new))


def test_a_file_name_is_still_accepted_as_output():
    args = parse("csr", "get", "ps-01", "-o", "ps-01.csr")
    main._set_format(args)
    assert (args.to_file, args.output) == ("ps-01.csr", "table")


@pytest.mark.parametrize(
    ("arguments", "message", "action"),
    [
        (["remnit"], "remnit is not a valid command.", "Did you mean remint? See: zman --help"),
        (["x"], "x is not a valid command.", "See: zman --help"),
        (["get", "servers"], "get is not a valid command.", "See: zman --help"),
        (["list", "server"], "server is not a valid RESOURCE.", "Did you mean servers? See: "),
        (
            ["stage", "move", "x", "left"],
            "left is not a valid direction.",
            "Choose from: up, down.",
        ),
        (["watch", "--until", "x"], "x is not a valid --until.", "Choose from: completed, "),
    ],
)
def test_an_invalid_word_is_reported_with_the_valid_ones(arguments, message, action):
    with pytest.raises(Invalid) as caught:
        parse(*arguments)
    assert caught.value.explanation == message
    assert caught.value.action.startswith(action)


def test_an_invalid_output_format_is_reported(capsys):
    assert main.main(["list", "servers", "-o", "xml"]) == exit_codes.USAGE
    assert "xml is not a valid output format." in capsys.readouterr().err


def test_json_is_recognized_even_in_invalid_arguments():
    for arguments in (
        ["--json", "brew"],
        ["brew", "-o", "json"],
        ["x", "-ojson"],
        ["--output=json"],
    ):
        assert wants_json(arguments), arguments
    assert not wants_json(["list", "servers", "-o", "yaml"])
    assert wants_json(["list", "--url", "--json"])


@pytest.mark.parametrize("shell_name", ["bash", "zsh", "fish"])
def test_a_completion_script_is_printed(shell_name, capsys):
    assert main.main(["completion", shell_name]) == exit_codes.OK
    script = capsys.readouterr().out
    for name in ("force-activation", "waiting-servers", "idempotency-key"):
        assert name in script
    for name in ("without-bridge", "by-hand", "roll-back"):
        assert name not in script


def test_the_bash_completion_completes_commands_and_resources(capsys, tmp_path):
    main.main(["completion", "bash"])
    script = tmp_path / "zman.bash"
    script.write_text(capsys.readouterr().out)
    for words, expected in (
        (["zman", "roll"], ["rollback"]),
        (["zman", "list", "wait"], ["waiting-servers"]),
        (["zman", "list", "servers", "-o", "ya"], ["yaml"]),
    ):
        done = subprocess.run(
            ["bash", "-c", f'source {script}; COMP_WORDS=({" ".join(words)}); '
             f'COMP_CWORD={len(words) - 1}; _shtab_zman; printf "%s\\n" "${{COMPREPLY[@]}}"'],
            capture_output=True, text=True, check=True,
        )  # fmt: skip
        assert [line.strip() for line in done.stdout.splitlines() if line.strip()] == expected
