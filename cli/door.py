"""The one error door: every command runs inside it, and every failure is reported by it.

Exit codes: 0 done · 1 failed, one line saying why · 2 usage · 130 interrupted. A reader that closes a pipe early is no
failure.
"""

from __future__ import annotations

import os
import sys
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Never

import typer
from typer.core import TyperGroup

from auditor.errors import AuditorError, FilterError, PluginWarning
from auditor.settings import BROKER_VARIABLE, DATABASE_VARIABLE
from auditor.urls import secrets_of
from cli.output import NAME, Output, prepare_streams, silence

FAILED = 1
USAGE = 2
INTERRUPTED = 130
_TORCH_OUT_OF_MEMORY = "DefaultCPUAllocator: can't allocate memory"

VERBOSE = frozenset({"--verbose", "-v"})
FLAGS = VERBOSE | {"--quiet", "-q"}
VALUED = frozenset({"--home", "--database-url", "--broker-url"})


class Door(TyperGroup):
    """The root of the command line. Global options are understood before and after the command's name."""

    def main(self, args: Sequence[str] | None = None, *positional: Any, **extra: Any) -> Never:
        """Run a command and exit with its code."""
        given = list(sys.argv[1:] if args is None else args)
        extra["standalone_mode"] = False
        extra["prog_name"] = NAME
        prepare_streams()
        output = Output(verbose=bool(VERBOSE.intersection(given)), secrets=_secrets(given))
        with _plugins_on_one_line(output):
            sys.exit(_run(lambda: super(Door, self).main(given, *positional, **extra), output))

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Arguments with the global options first."""
        return super().parse_args(ctx, globals_first(args))

    def invoke(self, ctx: Any) -> Any:
        """The command itself; what it wrote has left this process when it ends."""
        try:
            outcome = super().invoke(ctx)
            sys.stdout.flush()
        except BrokenPipeError:
            silence()
            return 0
        return outcome


@contextmanager
def _plugins_on_one_line(output: Output) -> Iterator[None]:
    """Why a plug-in is left out is one line on stderr; other warnings are shown as before."""
    with warnings.catch_warnings():
        shown = warnings.showwarning

        def show(message: Warning | str, category: type[Warning], *where: Any, **more: Any) -> None:
            if issubclass(category, PluginWarning):
                output.error(str(message))
            else:
                shown(message, category, *where, **more)

        warnings.showwarning = show
        yield


def globals_first(args: Sequence[str]) -> list[str]:
    """Move the global options, wherever they are before a "--", in front of the command."""
    moved: list[str] = []
    kept: list[str] = []
    rest = iter(args)
    for argument in rest:
        if argument == "--":
            return [*moved, *kept, argument, *rest]
        if argument in FLAGS or argument.split("=", 1)[0] in VALUED - {argument}:
            moved.append(argument)
        elif argument in VALUED:
            moved += [argument, *_next(rest)]
        else:
            kept.append(argument)
    return [*moved, *kept]


def _next(rest: Iterator[str]) -> list[str]:
    value = next(rest, None)
    return [] if value is None else [value]


def _secrets(args: Sequence[str]) -> tuple[str, ...]:
    """The passwords that this run was given."""
    given = [argument.partition("=")[2] if argument.startswith("--") else argument for argument in args]
    given += [os.environ.get(name, "") for name in (DATABASE_VARIABLE, BROKER_VARIABLE)]
    return tuple(secret for text in given if "@" in text or "://" in text for secret in secrets_of(text))


def _run(command: Callable[[], Any], output: Output) -> int:
    try:
        outcome = command()
    except typer.TyperException as error:  # what the parser refuses
        if error.format_message():  # empty where the help was shown instead
            output.error(_usage(error))
        return error.exit_code
    except typer.Abort:
        return INTERRUPTED
    except Exception as error:  # noqa: BLE001 - the command door: a defect of ours must still be one line
        if output.verbose:
            output.traceback(error)
        output.error(_line(error))
        return USAGE if isinstance(error, FilterError) else FAILED
    return outcome if isinstance(outcome, int) else 0


def _line(error: Exception) -> str:
    if isinstance(error, AuditorError):
        return str(error)
    if isinstance(error, OSError) and error.strerror:
        return f"{error.filename}: {error.strerror}" if error.filename else error.strerror
    if isinstance(error, MemoryError) or _TORCH_OUT_OF_MEMORY in str(error):
        return "out of memory; expected a model and a plan that fit; choose smaller sizes, or end other programs"
    return f"unexpected {type(error).__name__}: {error}; --verbose for the traceback"


def _usage(error: typer.TyperException) -> str:
    context = getattr(error, "ctx", None)
    where = context.command_path if context is not None else NAME
    said = error.format_message().rstrip(".")
    return f"{said}{'' if said.endswith('?') else ';'} see `{where} --help`"
