"""strokes: how many strokes a drawing has and how long they are, beside the data's."""

import numpy as np

from difftool import Metric

from .drawings import split


class Strokes(Metric):
    """The mean of each number, and the distance of its distribution from the data's: the mean
    difference of their quantiles (Villani 2009, Optimal Transport, Eq. 2.52).
    """

    def __init__(self, options, description):
        pass

    def measure(self, examples, data):
        ours, theirs = _numbers(examples), _numbers(data)
        found = {name: float(np.mean(values)) for name, values in ours.items()}
        if len(data):
            quantiles = np.linspace(0, 1, 101)
            for name, values in ours.items():
                apart = np.quantile(values, quantiles) - np.quantile(theirs[name], quantiles)
                found[f"{name}_distance"] = float(np.abs(apart).mean())
        return found


def _numbers(examples):
    drawings = [split(example) for example in examples]
    return {
        "strokes": [len(strokes) for strokes in drawings],
        "ink": [sum(map(_length, strokes)) for strokes in drawings],
    }


def _length(stroke):
    return np.linalg.norm(np.diff(stroke, axis=0), axis=1).sum()
