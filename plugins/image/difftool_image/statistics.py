"""colour: brightness, contrast, colour and detail of pictures and of the frames of clips."""

from __future__ import annotations

import numpy as np

from difftool import Statistics

LUMA = np.array([0.299, 0.587, 0.114])
"""Shares of red, green and blue in brightness (ITU-R BT.601)."""


class Colour(Statistics):
    """Numbers of bytes ``[..., c, h, w]``, as shares of full scale."""

    def of_example(self, example: np.ndarray) -> dict[str, float]:
        """``brightness``; ``contrast``, the standard deviation of brightness; ``detail``, its mean
        change from a pixel to the next, which noise raises and blur lowers; and of pictures in
        colour ``saturation``, the mean distance of the largest channel from the smallest.
        """
        x = example.astype(np.float64) / 255
        shown = x[..., :-1, :, :] if x.shape[-3] in (2, 4) else x  # without transparency
        grey = shown.mean(-3) if shown.shape[-3] == 1 else np.tensordot(shown, LUMA, (-3, 0))
        steps = [np.abs(np.diff(grey, axis=axis)) for axis in (-2, -1)]
        found = {
            "brightness": float(grey.mean()),
            "contrast": float(grey.std((-2, -1)).mean()),
            "detail": float(np.concatenate([one.ravel() for one in steps]).mean()),
        }
        if shown.shape[-3] == 3:
            found["saturation"] = float((shown.max(-3) - shown.min(-3)).mean())
        return found
