"""One of the processes on several machines, which are all started again where one is killed.

    python -m difftool.cli.worker NOTES RUN WORD ...

The words are a command line of difftool. Started again, the process resumes the run instead, if it
has begun. A process that failed in words would only fail again: it leaves its exit code in the
folder NOTES of its machine, and its successor ends at once with it. Torch's launcher counts only the
starts that its own machine asked for, so that a process was started before is noted there too.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from pathlib import Path

from ..engine.folder import RunFolder
from . import main

UNSAID = (None, 0, 1)
"""Exit codes of processes that ended well, or that lost the others."""


def words_of(notes: Path, run: Path, words: Sequence[str]) -> list[str]:
    """The words of the command line to run in this attempt. Raises SystemExit where none is."""
    started = notes / f"started-{os.environ.get('LOCAL_RANK', '0')}"
    if not started.exists():
        started.touch()
        return list(words)
    if (code := notes / "code").exists():
        raise SystemExit(int(code.read_text(encoding="ascii")))
    if not RunFolder(run).config_path.exists():  # it had not begun
        return list(words)
    return ["resume", str(run), *(["--json"] if "--json" in words else [])]


def work(notes: Path, run: Path, words: Sequence[str]) -> None:
    """Run the command line of this attempt; leaves by SystemExit."""
    try:
        main(words_of(notes, run, words))
    except SystemExit as end:
        if end.code not in UNSAID:
            (notes / "code").write_text(str(end.code), encoding="ascii")
        raise


if __name__ == "__main__":
    work(Path(sys.argv[1]), Path(sys.argv[2]), sys.argv[3:])
