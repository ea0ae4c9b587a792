"""The exceptions a user can meet, and the exit code each one ends the program with.

Every message states the fact, the fix and the reason, in that order, so that the command line can print it as it is.
"""

from __future__ import annotations


class DifftoolError(Exception):
    """A failure that difftool understands. ``exit_code`` is what the command line leaves with."""

    exit_code = 1


class UsageError(DifftoolError):
    """A command, option or config value that cannot be obeyed."""

    exit_code = 2


class ConfigError(UsageError):
    """One or more faults in the configuration, all of them reported at once.

    Args:
        faults: one line per fault, each already naming its key and where it was written.
    """

    def __init__(self, faults: list[str]) -> None:
        self.faults = tuple(faults)
        count = "1 fault" if len(faults) == 1 else f"{len(faults)} faults"
        super().__init__(f"{count} in the configuration:\n" + "\n".join(f"  {fault}" for fault in faults))


class RunExistsError(UsageError):
    """The folder a new run was to be written into already holds something."""


class RunBusyError(UsageError):
    """Another process is training this run."""


class DataError(DifftoolError):
    """The user's data cannot be used as it is."""

    exit_code = 3


class PluginError(DifftoolError):
    """A plugin that provides what was asked for is broken, missing or in conflict with another."""

    exit_code = 4


class DeviceError(DifftoolError):
    """The device is missing, or has too little memory for what was asked."""

    exit_code = 5


class ModelFileError(DifftoolError):
    """A model or checkpoint file that is truncated, foreign, or of a newer format."""


class NonFiniteLossError(DifftoolError):
    """The loss became NaN or infinite; training stopped and the last good checkpoint stands."""


class Interrupted(DifftoolError):
    """The user pressed Ctrl-C; the run is saved and can be resumed."""

    exit_code = 130


class Terminated(DifftoolError):
    """The system asked the program to stop (SIGTERM); the run is saved and can be resumed."""

    exit_code = 75
