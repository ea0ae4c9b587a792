"""From an exception to a message on stderr and an exit code."""

from __future__ import annotations

import os
import sys
import traceback

import click

from ..errors import (
    LAUNCHED,
    DeviceError,
    DifftoolError,
    Interrupted,
    Terminated,
    is_lost_peer,
    is_out_of_memory,
)
from ..files import is_full_disk
from .console import complain, say

STOPPED = (Interrupted.exit_code, Terminated.exit_code)
"""Codes of what was asked to stop and did: nothing went wrong."""

SMALLER = "Try a smaller --batch, smaller samples (--size), or a smaller network ([backbone])."


def report(error: BaseException, debug: bool = False) -> int:
    """Tell the user what went wrong; returns the code to leave with.

    The traceback is shown only when asked for.
    """
    if isinstance(error, click.exceptions.Exit):
        return error.exit_code
    if drawn := sys.modules.get("difftool.cli.progress"):
        drawn.close_counters()
    if isinstance(error, BrokenPipeError):
        _close_stdout()
        return 1
    if debug:
        traceback.print_exception(error)
    if (
        type(error).__name__ == "NoArgsIsHelpError"
    ):  # a group named alone; older versions of click print and exit
        say(str(error))
        return 2
    if isinstance(error, click.ClickException):
        return _usage(error)
    text, code = _told(error)
    if text and code in STOPPED:
        say(text)
    elif text:
        complain(text)
    return code


def _usage(error: click.ClickException) -> int:
    context = getattr(error, "ctx", None)
    complain(error.format_message())
    if context is not None:
        say(f"See: {context.command_path} --help")
    return error.exit_code


def _told(error: BaseException) -> tuple[str, int]:
    """The message and the exit code of anything that is not click's own."""
    if isinstance(error, (Interrupted, Terminated)) and os.environ.get("RANK", "0") != "0":
        return "", error.exit_code  # of several processes that stop together, the first one says so
    if isinstance(error, DifftoolError):
        return str(error), error.exit_code
    if isinstance(error, (KeyboardInterrupt, click.Abort)):
        return "Interrupted.", Interrupted.exit_code
    if (
        type(error).__name__ == "ChildFailedError"
    ):  # torch's launcher: the failed process has said why
        return "", _exit_code_of_child(error)
    if type(error).__name__ == "SignalException":
        return "", 130 if getattr(error, "sigval", 0) == 2 else 75
    if is_out_of_memory(error):
        return f"Out of memory. {SMALLER} ({_first_line(error)})", DeviceError.exit_code
    if is_lost_peer(error) and int(os.environ.get("WORLD_SIZE", "1")) > 1:
        return _peer_text(), 1
    if is_full_disk(error):
        return (
            f"The disk is full: {error}. Free some space; what was written before is untouched.",
            1,
        )
    if isinstance(error, OSError):
        return f"{error.filename or ''}: {error.strerror or error}".lstrip(": "), 1
    return (
        f"{type(error).__name__}: {_first_line(error)}\nThis is a fault in difftool or a plugin. "
        "Add --debug to see where it arose.",
        1,
    )


def _peer_text() -> str:
    """What the first process says; nothing where the one that started them all says why."""
    if os.environ.get("TORCHELASTIC_RUN_ID") == LAUNCHED or os.environ.get("RANK", "0") != "0":
        return ""
    return (
        "Another process of this training has ended, so it cannot go on. Continue from the last "
        "checkpoint with difftool resume. The system ends processes when memory runs out."
    )


def _first_line(error: BaseException) -> str:
    return (str(error).splitlines() or ["no message"])[0]


def _exit_code_of_child(error: BaseException) -> int:
    failures = getattr(error, "failures", {})
    codes = [failure.exitcode for failure in failures.values() if failure.exitcode > 0]
    return codes[0] if codes else 1


def _close_stdout() -> None:
    """The reader of a pipe has gone: nothing more can be written, and that is no fault of anyone's."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
