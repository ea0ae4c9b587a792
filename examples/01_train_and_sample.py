"""Train on the built-in demo set and sample, from Python: what ``difftool train`` and ``difftool sample`` do.

python examples/01_train_and_sample.py [STEPS]
"""

import sys
from pathlib import Path

from difftool.assemble import build_stage, load_stage, open_dataset
from difftool.config import gather, resolve
from difftool.engine.device import choose_device
from difftool.engine.fit import fit
from difftool.engine.folder import RunFolder, new_run_path
from difftool.engine.generate import SampleRequest, generate
from difftool.options import NoOptions
from difftool.plugin.registry import Registry

steps = int(sys.argv[1]) if len(sys.argv) > 1 else 2000
parts = Registry.load_all()

# A configuration: the modality's default recipe, and what is said here.
sets = [f"train.steps={steps}", "modality.size=16", "backbone.channels=16", "train.batch=32"]
config = resolve("image", gather(parts, "image", sets=sets), parts)

# The data that it names (none: the demo set), and the model, settled on that data.
config, dataset = open_dataset(config, parts)
stage = build_stage(config, parts, dataset.description, choose_device("auto"), dataset.modality)

folder = RunFolder.create(new_run_path("example"), config.to_toml(), dataset.description, dataset.source)
for progress in fit(stage, dataset, folder):
    if progress.step % 100 == 0 or progress.step == steps:
        print(f"step {progress.step}  loss {progress.loss:.4f}")

# A model file describes itself: nothing but its path is needed.
trained = load_stage(folder.model_path, parts)
Path("samples").mkdir(exist_ok=True)
for sample in generate(trained, SampleRequest(n=8, steps=20, cond={"class": ["all"]})):
    stem = Path(f"samples/{folder.path.name}-{sample.index}-{sample.cond['class']}")
    print(trained.modality.write(sample.example, stem, {"seed": 0}, NoOptions()))
