"""The exceptions that users can see, with their exit codes.

Every message states the fact, the fix and the reason, in that order. The command line prints it
unchanged.
"""

from __future__ import annotations


class DifftoolError(Exception):
    """An expected failure. The command line exits with ``exit_code``."""

    exit_code = 1


class Notice(UserWarning):
    """A warning that the command line prints as any other line, without a place in the code."""


class UsageError(DifftoolError):
    """An invalid command, option or configuration value."""

    exit_code = 2


class ConfigError(UsageError):
    """One or more faults in the configuration, reported together.

    Args:
        faults: one line per fault, which names the key and where it was written.
    """

    def __init__(self, faults: list[str]) -> None:
        self.faults = tuple(faults)
        count = "1 fault" if len(faults) == 1 else f"{len(faults)} faults"
        super().__init__(
            f"{count} in the configuration:\n" + "\n".join(f"  {fault}" for fault in faults)
        )


class RunExistsError(UsageError):
    """The folder for a new run is not empty."""


class RunBusyError(UsageError):
    """Another process is training this run."""


class DataError(DifftoolError):
    """The user's data cannot be used without changes."""

    exit_code = 3


class PluginError(DifftoolError):
    """A plugin that is needed is broken, missing or in conflict with another."""

    exit_code = 4


class DeviceError(DifftoolError):
    """The device is missing or has too little memory."""

    exit_code = 5


class ModelFileError(DifftoolError):
    """A model or checkpoint file is truncated, of another program, or of a newer format."""


class NonFiniteLossError(DifftoolError):
    """The loss became NaN or infinite; training stopped, and the last good checkpoint is kept."""


class Interrupted(DifftoolError):
    """The user pressed Ctrl-C; the run is saved and can be resumed."""

    exit_code = 130


class Terminated(DifftoolError):
    """The system asked the program to stop (SIGTERM); the run is saved and can be resumed."""

    exit_code = 75


LAUNCHED = "difftool"
"""The name under which torch's launcher runs the processes that difftool starts."""

LOST_PEER = (
    "Connection closed by peer",
    "Connection reset by peer",
    "Connection was likely closed",
    "remote process exited",
    "Broken pipe",
)
"""What the libraries that connect processes say when one of them is gone."""


def is_lost_peer(error: BaseException) -> bool:
    """Whether another process of the same training is gone: torch says so by a RuntimeError."""
    return isinstance(error, RuntimeError) and any(text in str(error) for text in LOST_PEER)


OUT_OF_MEMORY = (
    "out of memory",
    "can't allocate memory",
    "not enough memory",
    "ALLOC_FAILED",
    "Storage size calculation overflowed",
    "Overflow when unpacking long",
)
"""What the driver, the CPU's allocators and cuBLAS say when memory runs out, and what torch says of
sizes that no memory could have.
"""


def is_out_of_memory(error: BaseException) -> bool:
    """Whether memory ran out, on a device or on the CPU: torch reports the latter as a
    RuntimeError.
    """
    if isinstance(error, MemoryError) or type(error).__name__ == "OutOfMemoryError":
        return True
    return isinstance(error, RuntimeError | TypeError) and any(
        text in str(error) for text in OUT_OF_MEMORY
    )
