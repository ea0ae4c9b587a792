"""Train on the demo set and sample from Python, like ``difftool train`` and ``difftool sample``.

python examples/01_train_and_sample.py [STEPS]
"""

import sys

import difftool

steps = int(sys.argv[1]) if len(sys.argv) > 1 else 2000

# A run with the modality's default recipe and demo set, and these settings. Iterating trains it.
training = difftool.training("image", steps=steps, size=16, batch=32, backbone={"channels": 16})
for record in training:
    if record.step % 100 == 0 or record.step == steps:
        print(f"step {record.step}  loss {record.loss:.4f}")

# A model file describes itself, so its path is enough.
model = difftool.load(training.run.path)
samples = model.sample(8, steps=20, cond={"class": "all"})
print(
    f"{samples[0].shape} {samples[0].dtype}, the first of {len(samples)}: {samples.conditions[0]}"
)
for path in samples.save(training.run.path / "samples" / "example"):
    print(path)
