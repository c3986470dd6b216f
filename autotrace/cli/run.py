"""`autotrace run`: start a command with tracing armed in it."""

from __future__ import annotations

import sys
import zlib
from contextlib import suppress
from typing import Iterable, NoReturn

import click

from autotrace import guard, launcher, options, settings, target
from autotrace.local.place import StoreError, path_of

# Holds a checksum of every line already said, so that a launcher below this one does not say it again.
TOLD = "_AUTOTRACE_TOLD"


def option_of(setting: options.Option) -> click.Option:
    """Return the command-line option of `setting`."""
    text = f"{setting.help} Accepted: {setting.accepts}. Default: {setting.default_text}."
    if setting.secret:
        text += " Other users see options in the list of processes: prefer the variable."
    return click.Option(
        ["--" + setting.field.replace("_", "-"), setting.variable],
        metavar=setting.metavar,
        help=f"{text} [{setting.variable}]",
        type=click.UNPROCESSED,
    )


def run(command: tuple[str, ...], **options: str | None) -> NoReturn:
    """Start COMMAND with tracing armed in every Python process of it.

    Options come before COMMAND; everything after it is passed on untouched. An option wins over the
    environment variable in brackets.

    \b
      autotrace run gunicorn shop.wsgi
      autotrace run --sampler 0.25 python manage.py runserver
    """
    if not command:
        stop("run needs the command that starts your server, such as: autotrace run gunicorn shop.wsgi", 2)
    environ = launcher.inherited_environment()
    environ.update({variable: value for variable, value in options.items() if value is not None})
    try:
        chosen = settings.load(environ)
        if chosen.enabled:
            guard.set_level(chosen.log_level)
            path = launcher.find_program(command[0], environ)
            tell([*chosen.problems, *target.obstacles(path, command, environ), *whereabouts(chosen)], environ)
            environ = launcher.child_environment(environ)
        launcher.execute(command, environ)
    except launcher.StartError as error:
        stop(str(error), error.status)


def whereabouts(chosen: settings.Settings) -> Iterable[str]:
    """Say where the telemetry goes, if it stays on this machine, and how to look at it."""
    if chosen.exporter == "local":
        with suppress(StoreError):
            yield f"telemetry is kept on this machine, in {path_of(chosen.local_store)}: see it with autotrace view"


def tell(lines: Iterable[str], environ: dict[str, str]) -> None:
    """Say each of `lines` on stderr unless a launcher above this one did, and note it in `environ`."""
    told = environ.get(TOLD, "").split()
    for line in lines:
        mark = format(zlib.crc32(line.encode("utf-8", "surrogateescape")), "x")
        if mark not in told:
            told.append(mark)
            guard.warn(mark, line)
    if told:
        environ[TOLD] = " ".join(told)


def stop(text: str, status: int) -> NoReturn:
    """Say `text` and exit with `status`."""
    click.echo(f"autotrace: {text}", err=True)
    sys.exit(status)


command = click.Command(
    "run",
    callback=run,
    help=run.__doc__,
    params=[
        *(option_of(setting) for setting in settings.OPTIONS),
        click.Argument(["command"], nargs=-1, type=click.UNPROCESSED, metavar="COMMAND [ARGS]..."),
    ],
    context_settings={"allow_interspersed_args": False},
)
