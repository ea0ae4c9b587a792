"""The weights as one .npz file, for programs without torch."""

import json

import numpy as np


def npz(model, path, options):
    arrays = {name: tensor.float().numpy() for name, tensor in model.weights.items()}
    with open(path, "wb") as file:
        np.savez(file, config=json.dumps(model.about["config"]), **arrays)
