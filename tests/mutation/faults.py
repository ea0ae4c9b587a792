"""The faults: each breaks one promise of a part, in a way that a person could."""

from __future__ import annotations

from typing import NamedTuple

from .data_faults import DATA
from .network_faults import NETWORKS
from .process_faults import PROCESSES


class Fault(NamedTuple):
    """One change of one file.

    Attributes:
        subject: whose contracts should catch it; the first word is the kind of part.
        file: in the folder of copies.
        old, new: the first ``old`` becomes ``new``.
        what: the promise that is broken, in words.
    """

    subject: str
    file: str
    old: str
    new: str
    what: str

    @property
    def kind(self) -> str:
        return self.subject.partition(" ")[0]


FAULTS = [Fault(*row) for row in (*DATA, *NETWORKS, *PROCESSES)]
