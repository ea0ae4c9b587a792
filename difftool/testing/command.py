"""The contract of a command."""

from __future__ import annotations

import subprocess
import sys

import click
from click.testing import CliRunner

from ..plugin.discovery import COMMANDS, EntryPoint, entry_points
from .parts import imports_torch, named


def command_contract(name: str) -> type:
    """Tests that check a command against its contract.

    Args:
        name: of its entry point in the group ``difftool.commands``.
    """

    def point() -> EntryPoint:
        found = [point for point in entry_points(COMMANDS) if point.name == name]
        assert len(found) == 1, f"{len(found)} packages have a command {name!r}, not one"
        return found[0]

    class CommandContract:
        def test_it_is_a_click_command(self) -> None:
            assert isinstance(point().load(), click.Command)

        def test_importing_it_imports_no_torch(self) -> None:
            """Its help would be slow."""
            assert not imports_torch(point().target.partition(":")[0])

        def test_its_help_says_what_it_does(self) -> None:
            command = point().load()
            assert command.help, "write a docstring"
            shown = CliRunner().invoke(command, ["--help"])
            assert shown.exit_code == 0, shown.output
            assert command.help.split()[0] in shown.output

        def test_an_unknown_option_is_a_usage_error(self) -> None:
            shown = CliRunner().invoke(point().load(), ["--no-such-option-of-any-command"])
            assert shown.exit_code == 2
            assert "No such option" in shown.output

        def test_difftool_runs_it(self) -> None:
            """Its name must not be one of difftool's own commands, or of another plugin."""
            words = [sys.executable, "-m", "difftool", name, "--help"]
            done = subprocess.run(words, capture_output=True, text=True, check=False)
            assert done.returncode == 0, done.stderr
            assert f"The command {name!r}" not in done.stderr, done.stderr

    return named(CommandContract, name)
