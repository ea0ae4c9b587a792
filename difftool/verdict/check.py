"""Check: looks for faults of one kind in what was measured of data or of a run."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator
from typing import ClassVar

from ..options import Options
from .case import Case
from .diagnosis import Diagnosis


class Check(ABC):
    """Looks for faults of one kind. Built with its options.

    Attributes:
        needs: attributes of ``Case`` without which nothing can be said. The check is then not
            asked, and ``difftool doctor`` lists it among what was not checked.
    """

    needs: ClassVar[tuple[str, ...]] = ()

    def __init__(self, options: Options) -> None:
        self.options = options

    @abstractmethod
    def look(self, case: Case) -> Iterator[Diagnosis]:
        """The faults, with their numbers; nothing where there is none.

        A diagnosis of level ``error`` says that training or samples are useless as they are, a
        ``warning`` that they are much worse than they could be, and a ``note`` is worth knowing.
        What is in ``case`` is only read.
        """

    def lacks(self, case: Case) -> list[str]:
        """What it needs and was not measured."""
        return [name for name in self.needs if getattr(case, name) is None]
