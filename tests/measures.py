"""Metrics that exist only here: of pictures, in numbers that can be foretold."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np
from measure_options import BrightnessOptions

from difftool import Metric, Spec, UsageError, hookimpl


class Brightness(Metric):
    """The mean of all pixels; its distance from the data's; and a number that pictures of no spread have not."""

    options: BrightnessOptions

    def measure(
        self, examples: Sequence[np.ndarray], data: Sequence[np.ndarray]
    ) -> dict[str, float]:
        means = [float(example.mean()) / self.options.scale for example in examples]
        found = {"mean": float(np.mean(means)), "contrast": np.ptp(means) or float("nan")}
        return found | (
            {
                "distance": abs(
                    found["mean"] - np.mean([one.mean() for one in data]) / self.options.scale
                )
            }
            if data
            else {}
        )


class Unable(Metric):
    """Needs something that is not there, and notices when it is asked."""

    def measure(
        self, examples: Sequence[np.ndarray], data: Sequence[np.ndarray]
    ) -> dict[str, float]:
        raise UsageError("unable needs a light meter, which is not installed.")


BRIGHTNESS = Spec(
    "brightness",
    "how bright pictures are",
    f"{__name__}:Brightness",
    "measure_options:BrightnessOptions",
)
UNABLE = Spec("unable", "cannot be measured", f"{__name__}:Unable")
ABSENT = Spec(
    "absent", "cannot be loaded", f"{__name__}:Brightness", requires=("difftool-light-meter>=2",)
)


def give_metrics(monkeypatch, module, specs: Sequence[Spec]) -> None:
    """Let a plugin's module bring these metrics, for its modalities."""
    before: Callable = module.difftool_modalities
    names = tuple(spec.name for spec in specs)

    @hookimpl
    def difftool_modalities():
        return [replace(spec, metrics=names) for spec in before()]

    @hookimpl
    def difftool_metrics():
        return specs

    monkeypatch.setattr(module, "difftool_modalities", difftool_modalities)
    monkeypatch.setattr(module, "difftool_metrics", difftool_metrics, raising=False)
