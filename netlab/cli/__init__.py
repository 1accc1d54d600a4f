"""The command line: one file a command, imported when it is invoked. `commands` holds the table.

What every command shares stands here: results go to stdout and progress to stderr; an error is one line that says
what was wrong and what to do. Exit status 0: done; 1: failed; 2: asked in a wrong way; 130: interrupted by Ctrl-C;
141: whoever read the output went away. Never a traceback (but NETLAB_TRACEBACK=1 shows where an error came from).
"""

from __future__ import annotations

import os
import sys
from typing import NoReturn

FAILED, USAGE, INTERRUPTED, PIPE_CLOSED = 1, 2, 130, 141

LONGEST = 600
"""Characters of an error's text: one that quotes a very long word is shortened in the middle."""


def main(arguments: list[str] | None = None) -> NoReturn:
    """Run the command that `arguments` (by default those of the process) name, and exit with its status."""
    try:
        _stand_in_for_closed_streams()
        status = _run(sys.argv[1:] if arguments is None else arguments)
        sys.stdout.flush()
    except KeyboardInterrupt:
        status = INTERRUPTED
    except BrokenPipeError:
        status = PIPE_CLOSED
    except SystemExit as exit_asked:
        status = exit_asked.code if isinstance(exit_asked.code, int) else FAILED if exit_asked.code else 0
    except Exception as error:  # the last resort: whatever it is, the user gets a line and not a traceback
        if os.environ.get("NETLAB_TRACEBACK"):
            raise
        status = _tell(error)
    _leave(status)


def _run(arguments: list[str]) -> int:
    import click

    from netlab.cli.commands import netlab  # click and its classes: here, so that Ctrl-C meanwhile is caught too

    with netlab.make_context("netlab", list(arguments)) as context:  # `netlab.main` would turn EPIPE into status 1
        try:
            result = netlab.invoke(context)
        except click.UsageError as error:
            name = context.invoked_subcommand
            if error.ctx is None and name is not None and (command := netlab.get_command(context, name)) is not None:
                error.ctx = click.Context(command, parent=context, info_name=name)  # click's parser knows no context
            raise
    return result if isinstance(result, int) else 0


def _stand_in_for_closed_streams() -> None:
    """Where a standard stream is closed (`netlab ... >&-`), what is written to it goes nowhere, and nothing is read.

    Else Python has None for it, and the next file or socket that is opened has its number.
    """
    if sys.stdin is not None and sys.stdout is not None and sys.stderr is not None:
        return
    while (file := os.open(os.devnull, os.O_RDWR)) <= 2:  # the lowest number that is free
        os.set_inheritable(file, True)
    os.close(file)
    sys.stdin = sys.stdin or os.fdopen(0, closefd=False)
    sys.stdout = sys.stdout or os.fdopen(1, "w", closefd=False)
    sys.stderr = sys.stderr or os.fdopen(2, "w", closefd=False)


def _tell(error: Exception) -> int:
    """Print the one line of an error; its exit status comes back."""
    import click

    if isinstance(error, click.exceptions.Exit):  # as --help and --version end
        return error.exit_code
    if isinstance(error, click.exceptions.Abort):
        return INTERRUPTED
    from netlab.errors import NetlabError
    from netlab.packets.text import printable

    who, status = "netlab", FAILED
    if isinstance(error, click.UsageError):
        status = USAGE
        who = error.ctx.command_path if error.ctx else who
        text = f"{_as_clause(error.format_message())} ({who} --help tells more)"
    elif isinstance(error, click.ClickException):
        status, text = error.exit_code, error.format_message()
    elif isinstance(error, NetlabError):
        text = str(error)
    elif isinstance(error, OSError):
        text = f"{error.filename}: {error.strerror}" if error.filename else error.strerror or str(error)
    else:
        text = f"a fault of netlab: {type(error).__name__}: {error} (NETLAB_TRACEBACK=1 shows where)"
    text = printable(text)
    tell(who, text=text if len(text) <= LONGEST else f"{text[: LONGEST // 2]} ... {text[-LONGEST // 4 :]}")
    return status


def tell(who: str, *, text: str) -> None:
    """One line of error on stderr; `text` is printable already."""
    try:
        print(f"{who}: error: {text}", file=sys.stderr, flush=True)
    except OSError:  # nobody reads stderr: there is nowhere to say so
        return


def _as_clause(sentence: str) -> str:
    """`No such option '--nam'.` -> `no such option '--nam'`."""
    first, rest = sentence[:1], sentence[1:].removesuffix(".")
    return (first if rest[:1].isupper() else first.lower()) + rest


def _leave(status: int) -> NoReturn:
    """Exit. What can't be written any more is not tried again by the interpreter's own flush."""
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except (OSError, ValueError):
            devnull = os.open(os.devnull, os.O_WRONLY)
            os.dup2(devnull, stream.fileno())
            status = status or FAILED
    raise SystemExit(status)
