"""What cannot be combined is refused with the reason, before torch is imported."""

from __future__ import annotations

import subprocess
import sys

import pytest
from small import registry

from difftool.config import gather, resolve
from difftool.errors import ConfigError

COLD = "process.use=cold"
TAUGHT = ("objective.teacher=some",)

IMPOSSIBLE = [
    *[
        ([COLD, f"objective.use={use}", *more], "The process cold is not trained by")
        for use, more in (
            ("consistency", ()),
            ("improved-consistency", ()),
            ("continuous-consistency", ()),
            ("mean-flow", ()),
            ("shortcut", ()),
            ("hybrid", ()),
            ("vlb", ()),
            ("classifier", ()),
            ("autoencoder", ()),
            ("reflow", TAUGHT),
            ("progressive", TAUGHT),
            ("guided", TAUGHT),
            ("distribution-matching", TAUGHT),
        )
    ],
    ([COLD, "schedule.use=karras"], "The process cold has no noise levels"),
    (["schedule.use=severity"], "schedule.use = severity is for the process cold"),
    (
        [COLD, "guidances.c.use=classifier", "guidances.c.model=some"],
        "guidances.c.use = classifier follows a score",
    ),
    ([COLD, "guidances.r.use=reconstruction"], "guidances.r.use = reconstruction follows a score"),
    (["guidances.c.use=classifier"], "difftool train … --objective classifier"),
    (["guidance.use=autoguidance"], "--set ema.snapshot_every=N"),
    (["guidances.p.use=composition"], "Name the other factors of the product"),
    (["guidances.p.use=stitch"], "Name the regions"),
    (["guidance.use=folded"], "distill with --method guided"),
    (["guidances.p.use=perturbed", "backbone.attention=0"], "backbone.attention = 0 has none"),
    (["objective.use=progressive"], "difftool distill RUN"),
    (["objective.use=finetune"], "difftool finetune RUN"),
    (["objective.use=control"], "difftool finetune RUN"),
    (
        ["objective.use=consistency", "train.self_conditioning=true"],
        "Set train.self_conditioning = false",
    ),
    (
        ["sampler.use=ddpm", "sampler.variance=learned"],
        "sampler.variance = learned needs a model with learned variances",
    ),
]

POSSIBLE = [
    [],
    [COLD],
    [COLD, "objective.use=restoration"],
    [COLD, "objective.use=multiscale"],
    ["objective.use=mean-flow"],
    ["objective.use=shortcut"],
    ["objective.use=continuous-consistency"],
    ["objective.use=hybrid", "sampler.use=ddpm", "sampler.variance=learned"],
    ["guidances.p.use=perturbed"],
    ["guidances.c.use=none"],
]


def resolved(sets):
    return resolve("image", gather(registry(), "image", sets=sets, project=None), registry())


@pytest.mark.parametrize(("sets", "why"), IMPOSSIBLE, ids=lambda one: "+".join(one)[:60])
def test_what_cannot_work_together_says_why(sets, why):
    with pytest.raises(ConfigError) as caught:
        resolved(sets)
    (fault,) = caught.value.faults
    assert why in fault
    assert fault.endswith(".")


@pytest.mark.parametrize("sets", POSSIBLE, ids="+".join)
def test_what_works_is_not_refused(sets):
    assert resolved(sets).train.steps


def test_points_are_not_degraded_as_pictures_are():
    with pytest.raises(ConfigError, match="has points in space"):
        resolve("molecule", gather(registry(), "molecule", sets=[COLD], project=None), registry())


def test_all_faults_come_at_once():
    with pytest.raises(ConfigError) as caught:
        resolved([COLD, "objective.use=hybrid", "schedule.use=karras", "guidance.use=autoguidance"])
    assert len(caught.value.faults) == 3


def test_it_is_told_before_torch_is_imported():
    code = (
        "import sys\nfrom difftool.cli import main\n"
        "try:\n    main()\nfinally:\n    print('torch' in sys.modules)"
    )
    words = ["train", "-m", "image", "--set", COLD, "--objective", "consistency"]
    done = subprocess.run(
        [sys.executable, "-c", code, *words], capture_output=True, text=True, check=False
    )
    assert done.returncode == 2
    assert "The process cold is not trained by" in done.stderr
    assert done.stdout.strip() == "False"
