"""The mean of all entries, and its difference from the mean of the data."""

import numpy as np

from difftool import Metric


class Brightness(Metric):
    def __init__(self, options, description):
        pass

    def measure(self, examples, data):
        mean = float(np.mean([np.mean(one, dtype=np.float64) for one in examples]))
        if not len(data):
            return {"brightness": mean}
        return {
            "brightness": mean,
            "brightness_error": abs(
                mean - float(np.mean([np.mean(one, dtype=np.float64) for one in data]))
            ),
        }
