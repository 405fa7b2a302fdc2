"""The argument parser: command groups in the help, global options, and old names.

An old name of a command, option or resource is accepted and shown nowhere.
"""

from __future__ import annotations

import argparse
from argparse import SUPPRESS, Action, ArgumentParser, Namespace
from collections.abc import Callable, Iterable, Mapping
from difflib import get_close_matches
from typing import Any, NoReturn

import shtab

from faults import Invalid
from zman.cli.output import FORMATS, Output
from zman.client.client import Console

Run = Callable[[Console, Output, Namespace], None]
CONNECTION = (
    ("--profile", "NAME", "profile to use from the profiles file"),
    ("--url", "URL", "URL of the console (https://HOST:PORT)"),
    ("--ca-file", "FILE", "file that contains the zone CA certificate"),
    ("--token-file", "FILE", "file that contains the API token (mode 0600)"),
    ("--access", "FILE", "access.json file of a demo zone (make run)"),
)


GLOBAL = ("profile", "url", "ca_file", "token_file", "access", "output", "yes")


class Parser(ArgumentParser):
    """A parser that raises Invalid, accepts no abbreviations, and shows commands by section."""

    def __init__(self, **settings: Any) -> None:
        super().__init__(**settings, allow_abbrev=False)
        # Actions for the help of each section, in order.
        self.sections: dict[str, list[Action]] = {}

    def error(self, message: str) -> NoReturn:
        """Raise Invalid for arguments that cannot be parsed."""
        raise Invalid(f"{message}.", action=f"See: {self.prog} --help")

    def _check_value(self, action: Action, value: Any) -> None:
        # The output format is checked later: earlier releases accepted a file name there.
        if action.choices is None or action.dest == "output" or value in action.choices:
            return
        known = [str(choice) for choice in action.choices]
        is_command = isinstance(action.choices, Mapping)
        current = (
            _current_commands(action.choices) if isinstance(action.choices, Mapping) else known
        )
        close = get_close_matches(str(value), current, 1, cutoff=0.7)
        help_command = f"See: {self.prog} --help"
        hint = help_command if is_command else f"Choose from: {', '.join(known)}."
        raise Invalid(
            f"{value} is not a valid {'command' if is_command else _name(action)}.",
            action=f"Did you mean {close[0]}? {help_command}" if close else hint,
        )

    def format_help(self) -> str:
        """Return the help, with the commands of the program grouped by section."""
        formatter = self._get_formatter()
        usage = [action for action in self._actions if action.dest not in GLOBAL]
        formatter.add_usage(self.usage, usage, self._mutually_exclusive_groups)
        formatter.add_text(self.description)
        groups = [(group.title, group._group_actions) for group in self._action_groups]  # noqa: SLF001 - as argparse does
        if self.sections:
            options = [action for action in self._actions if action.option_strings]
            groups = [*self.sections.items(), ("options", options)]
        for title, actions in groups:
            formatter.start_section(title)
            formatter.add_arguments(actions)
            formatter.end_section()
        formatter.add_text(self.epilog)
        return formatter.format_help()


def _current_commands(choices: Mapping[str, ArgumentParser]) -> list[str]:
    """Return the commands without their names in earlier releases."""
    return [name for name, parser in choices.items() if parser.prog.split()[-1] == name]


def _name(action: Action) -> str:
    return action.option_strings[0] if action.option_strings else str(action.metavar or action.dest)


class Commands:
    """The commands of the program, or the subcommands of one of its commands."""

    def __init__(
        self,
        parser: Parser,
        metavar: str = "COMMAND",
        *,
        required: bool = True,
        accepts_old_names: bool = True,
    ) -> None:
        self._parser, self._accepts_old_names = parser, accepts_old_names
        self._actions: Any = parser.add_subparsers(
            metavar=metavar, required=required, title="commands", prog=parser.prog
        )
        self._section: list[Action] | None = None

    def section(self, title: str) -> None:
        """Show the commands that are added next under a title in the help."""
        self._section = self._parser.sections.setdefault(title, [])

    def add(
        self,
        name: str,
        run: Run | None,
        words: str,
        *,
        parent: ArgumentParser | None = None,
        **settings: Any,
    ) -> Parser:
        """Add a command and return its parser. `settings` become attributes of its arguments."""
        parser = self._add(name, words, [parent] if parent is not None else [])
        parser.set_defaults(run=run, **settings)
        return parser

    def group(self, name: str, words: str, metavar: str = "COMMAND") -> Commands:
        """Add a command that only has subcommands."""
        parser = self._add(name, words)
        return Commands(parser, metavar, accepts_old_names=self._accepts_old_names)

    def _add(self, name: str, words: str, parents: Iterable[ArgumentParser] = ()) -> Parser:
        added: Parser = self._actions.add_parser(
            name,
            parents=[*parents, _global_options()],
            help=words,
            description=f"{words[0].upper()}{words[1:]}.",
        )
        if self._section is not None:
            self._section.append(self._actions._get_subactions()[-1])  # noqa: SLF001 - no other way
        return added

    def alias(self, old: str, new: Commands | None = None, name: str = "") -> None:
        """Accept `old` for a command: of these commands, or of `new`."""
        if not self._accepts_old_names:
            return
        commands = self if new is None else new
        self._actions.choices[old] = (
            commands._actions.choices[name] if name else commands._parser  # noqa: SLF001 - own class
        )


def add_option(parser: ArgumentParser, name: str, *, old: str = "", **settings: Any) -> None:
    """Add an option with a name that earlier releases used."""
    action = parser.add_argument(name, **settings)
    if old:
        settings |= {"dest": action.dest, "help": SUPPRESS, "default": SUPPRESS, "required": False}
        parser.add_argument(old, **settings)


def add_file_option(parser: ArgumentParser, words: str) -> None:
    """Add `--file`, which names the file to write; earlier releases called it --output."""
    files(parser.add_argument("--file", default="", metavar="FILE", dest="to_file", help=words))


def add_operation_argument(parser: ArgumentParser) -> None:
    """Add the operation that a command is for, by default the one in progress."""
    parser.add_argument(
        "operation",
        nargs="?",
        default="",
        metavar="OPERATION",
        help="ID or its first characters (default: the operation in progress)",
    )


def files(action: Action) -> None:
    """Have the shell complete file names for an argument."""
    action.complete = shtab.FILE  # type: ignore[attr-defined]  # read by shtab


def accept(old: Mapping[str, str]) -> Callable[[str], str]:
    """Return a type for `choices` that accepts old names."""
    return lambda given: old.get(given, given)


def add_global_options(parser: ArgumentParser) -> None:
    """Add the options that can be given before and after the command."""
    _add_global_options(parser, "")


def _global_options() -> ArgumentParser:
    # Without a default here, the value that was given before the command is kept.
    common = ArgumentParser(add_help=False)
    _add_global_options(common, SUPPRESS)
    return common


def _add_global_options(parser: ArgumentParser, default: str) -> None:
    group = parser.add_argument_group("global options")
    for flag, metavar, words in CONNECTION:
        action = group.add_argument(flag, metavar=metavar, help=words, default=default)
        if metavar == "FILE":
            files(action)
    group.add_argument(
        "-o",
        "--output",
        choices=FORMATS,
        metavar="FORMAT",
        default=default or "table",
        help=f"output format: {', '.join(FORMATS)}",
    )
    group.add_argument(
        "--json", dest="output", action="store_const", const="json", default=SUPPRESS, help=SUPPRESS
    )
    yes: Any = default or False
    group.add_argument(
        "-y", "--yes", action="store_true", default=yes, help="do not ask for confirmation"
    )


def wants_json(arguments: Iterable[str]) -> bool:
    """Return True if arguments request JSON, even if they cannot be parsed otherwise."""
    early = argparse.ArgumentParser(add_help=False, allow_abbrev=False, exit_on_error=False)
    _add_global_options(early, "")
    try:
        return bool(early.parse_known_args(list(arguments))[0].output == "json")
    except (argparse.ArgumentError, SystemExit):
        return "--json" in arguments
