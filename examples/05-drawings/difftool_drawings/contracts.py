"""difftool's contracts. `difftool plugins check drawings` runs them."""

import numpy as np

from difftool.testing import metric_contract, modality_contract, plugin_contract

from .demo import drawing
from .drawings import joined

RNG = np.random.default_rng(0)
SOME = [joined(drawing(n, RNG)) for n in ("circles", "flower", "square", "circles")]
SMALL = ("backbone.channels=8", "backbone.blocks=1")

TestPlugin = plugin_contract("drawings", sets=SMALL)
TestDrawings = modality_contract("drawings", sets=SMALL, request={"length": 12})
TestStrokes = metric_contract("strokes", SOME[:2], SOME[2:])
