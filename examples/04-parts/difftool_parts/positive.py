"""Values of the data that are all positive, where most data lie around 0."""

import numpy as np

from difftool import Check, Diagnosis


class Positive(Check):
    needs = ("examples",)

    def look(self, case):
        lowest = min(float(np.min(one)) for one in case.examples)
        if lowest > 0:
            yield Diagnosis(
                "note",
                "all positive",
                f"The lowest of all values is {lowest:.3g}.",
                "If values can be negative, a sign was lost on the way. Compare a file with its "
                "source.",
            )
