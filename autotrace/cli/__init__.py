"""The command line: one command a file, each loaded when it is asked for; only this package imports click."""

from __future__ import annotations

from importlib import import_module

import click

from autotrace import __version__

# A module of this package for each command; its attribute `command` is the click command.
COMMANDS = ("run", "view", "config", "flush", "demo")


class Commands(click.Group):
    """A group that imports a command when it is used, so that `run` costs nothing of the others."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return the names in the order in which help shows them."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Return the command called `cmd_name`; None when there is none, which click explains."""
        if cmd_name not in COMMANDS:
            return None
        command: click.Command = import_module(f"{__name__}.{cmd_name}").command
        return command


@click.command(cls=Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="autotrace")
def main() -> None:
    """Trace Django, Flask and Pyramid servers without touching their code.

    Put `autotrace run` before the command that starts the server.
    """
