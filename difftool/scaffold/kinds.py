"""What the templates of each kind of part are filled with."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Template:
    """One small part of a kind, in a package of its own.

    Attributes:
        summary: of the part, in its spec.
        test: the call of its contract; ``{name}`` is the part's.
        attempt: a command line that shows it at work.
        spec: the class of its spec.
        more: further arguments of its spec.
        function: whether it is a function, called as the part, and not a class.
        setup: what the contract needs, before the call.
        imports: further imports of the contracts.
    """

    summary: str
    test: str
    attempt: str
    spec: str = "Spec"
    more: str = ""
    function: bool = False
    setup: str = ""
    imports: str = ""


BYTES = (
    "BYTES = torch.randint(0, 256, (3, 3, 8, 8), generator=torch.Generator().manual_seed(0))\n\n"
)

TEMPLATES = {
    "representation": Template(
        "bytes, standardised by the data",
        'representation_contract("{name}", BYTES.byte(), tolerance=1)',
        "difftool train -m MODALITY/{name} --steps 100",
        setup=BYTES,
        imports="import torch\n",
    ),
    "process": Template(
        "the velocity along a circle (Lu & Song 2024)",
        'process_contract("{name}")',
        "difftool train -m MODALITY --set process.use={name}",
        spec="ProcessSpec",
    ),
    "density": Template(
        "Laplace distributed ln sigma (Hang et al. 2024)",
        'process_contract("edm", density="{name}")',
        "difftool train -m MODALITY --set density.use={name}",
    ),
    "weighting": Template(
        "a sigmoid of the signal-to-noise ratio (Kingma & Gao 2023)",
        'process_contract("edm", weighting="{name}")',
        "difftool train -m MODALITY --set weighting.use={name}",
    ),
    "schedule": Template(
        "evenly spaced angles",
        'process_contract("edm", schedule="{name}")',
        "difftool train -m MODALITY --set schedule.use={name}",
    ),
    "objective": Template(
        "the pseudo-Huber loss (Song & Dhariwal 2023)",
        'objective_contract("{name}")',
        "difftool train -m MODALITY --set objective.use={name}",
    ),
    "optimizer": Template(
        "the sign of a momentum (Chen et al. 2023)",
        'optimizer_contract("{name}", lr=0.01)',
        "difftool train -m MODALITY --set optimizer.use={name} --lr 2e-5",
        function=True,
    ),
    "guidance": Template(
        "strong where there is little noise",
        'guidance_contract("{name}", {{"scale": 4.0}})',
        "difftool sample RUN --set guidance.use={name} --guidance 4",
    ),
    "conditioner": Template(
        "the time of day",
        'conditioner_contract("{name}", cells=("9:30", "13:45", "23:59"))',
        "difftool train -m MODALITY --set conditions.time.use={name}",
        spec="ConditionerSpec",
        more='column="difftool_{name}.column:{Name}Column"',
    ),
    "bridge": Template(
        "colours the grey examples of an earlier stage",
        'bridge_contract("{name}", BYTES.byte().float() / 255, "standard")',
        "difftool list bridges",
        setup=BYTES,
        imports="import torch\n",
    ),
    "edit": Template(
        "a mirrored start, made anew from some noise",
        'edit_contract("{name}")',
        "difftool edit RUN FILE {name}",
    ),
    "metric": Template(
        "the mean of all entries",
        'metric_contract("{name}", EXAMPLES[:2], EXAMPLES[2:])',
        "difftool evaluate RUN --metrics {name}",
        spec="MetricSpec",
        more='modalities=("*",)',
        setup="EXAMPLES = [np.random.default_rng(i).random((4, 4), np.float32) for i in range(4)]\n\n",
        imports="import numpy as np\n",
    ),
    "check": Template(
        "values that are all positive",
        'check_contract("{name}", FAULTY)',
        "difftool doctor -m MODALITY DATA",
        spec="CheckSpec",
        setup="FAULTY = Case(examples=[np.ones((4, 4), np.float32) for _ in range(20)])\n\n",
        imports="import numpy as np\nfrom difftool import Case\n",
    ),
    "source": Template(
        "the files in a text file of paths",
        'source_contract("{name}", SOME, BAD)',
        "difftool data check -m MODALITY files.{name}",
        spec="SourceSpec",
        more='patterns=("*.{name}",)',
        setup='FOLDER = Path(mkdtemp())\nSOME, BAD = str(FOLDER / "some.{name}"), str(FOLDER / "bad.{name}")\n'
        '(FOLDER / "a.txt").write_text("1")\nPath(SOME).write_text("a.txt\\n")\nPath(BAD).write_text("missing.txt\\n")\n\n',
        imports="from pathlib import Path\nfrom tempfile import mkdtemp\n\n",
    ),
    "exporter": Template(
        "the weights as NumPy arrays",
        'exporter_contract("{name}", model=model)',
        "difftool export RUN --to weights.{name}",
        spec="ExporterSpec",
        more='suffix=".{name}"',
        function=True,
        setup="\ndef stage() -> Stage:\n"
        '    raise UsageError("The contract opens no model.")\n\n\ndef model() -> TrainedModel:\n'
        '    about: dict[str, Any] = {{"config": {{}}, "description": {{}}}}\n'
        '    return TrainedModel({{"w": torch.arange(3.0)}}, about, stage)\n\n\n',
        imports="from typing import Any\n\nimport torch\nfrom difftool import Stage, TrainedModel, UsageError\n",
    ),
    "observer": Template(
        "a table of the losses",
        'observer_contract("{name}")',
        "difftool train -m MODALITY --set observers.mine.use={name}",
    ),
    "command": Template(
        "how long a run has trained",
        'command_contract("{name}")',
        "difftool {name} RUN",
        function=True,
    ),
}  # fmt: skip
