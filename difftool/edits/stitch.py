"""Stitch: several regions of an example, each under a condition of its own, as one."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ..errors import UsageError
from .options import StitchedOptions
from .vary import Vary

NAME = "stitched"
"""Of the guidance among those of the run."""


class Stitched(Vary):
    """Noise up to a level and back, where D is blended from those of the regions by the guidance
    ``stitch`` (MultiDiffusion, Bar-Tal et al. 2023, arXiv:2302.08113).

    The guidance comes after those of the model, so that each region is guided by itself.
    """

    options: StitchedOptions
    places = True

    @property
    def settings(self) -> Mapping[str, Any]:  # type: ignore[override]  # it depends on the options
        regions = [text for part in self.options.regions.split(";") if (text := part.strip())]
        if not regions:
            raise UsageError(
                "stitch needs regions, each with its condition. Name them, such as --regions "
                "'class=A@0:0.5; class=B@0.5:1'."
            )
        return {
            f"guidances.{NAME}.use": "stitch",
            f"guidances.{NAME}.regions": regions,
            f"guidances.{NAME}.soft": self.options.fade,
        }
