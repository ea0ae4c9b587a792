"""Cascade files: what they say to all stages and to each, over the files that they extend."""

from __future__ import annotations

from pathlib import Path

import pytest

from difftool.config.cascade import read_cascade, stage_sets

BASE = """
modality = "ecg/millivolts"
data = "beats"
recipe = "mine.toml"

[train]
steps = 5

[[stage]]
name = "base"
level = 0.1

[[stage]]
name = "fine"
[stage.train]
steps = 7
[stage.bridge]
use = "resample"
"""


def written(folder: Path, name: str, text: str) -> Path:
    path = folder / name
    path.parent.mkdir(exist_ok=True)
    path.write_text(text)
    return path


def value(outline, *keys):
    """The last word on a key, and where it was said."""
    for layer in reversed(outline.layers):
        node = layer.data
        for key in keys:
            node = node.get(key, {}) if isinstance(node, dict) else {}
        if node != {}:
            return node, layer.where(keys)
    return None


def test_settings_above_the_stages_apply_to_all(tmp_path):
    path = written(tmp_path, "a.toml", BASE)
    (base, fine), faults = read_cascade(path)
    assert faults == []
    assert (base.name, base.level, fine.name, fine.level) == ("base", 0.1, "fine", None)
    for outline in (base, fine):
        assert value(outline, "modality", "use")[0] == "ecg"
        assert value(outline, "representation", "use")[0] == "millivolts"
        assert value(outline, "data", "path")[0] == str(tmp_path / "beats")
        assert value(outline, "recipe")[0] == str(tmp_path / "mine.toml")
    assert value(base, "train", "steps") == (5, f"{path}:7")
    assert value(fine, "train", "steps") == (7, f"{path}:16")
    assert value(fine, "bridge", "use") == ("resample", f"{path}:18")
    assert [layer.data for layer in fine.own] == [
        {"train": {"steps": 7}, "bridge": {"use": "resample"}}
    ]


def test_a_file_lies_over_the_one_that_it_extends(tmp_path):
    written(tmp_path, "a.toml", BASE)
    text = 'extends = "../a.toml"\ndata = "other"\n[train]\nsteps = 9\n[[stage]]\nname = "fine"\nlevel = 0.3\n[[stage]]\nname = "finer"\nrun = "old"'
    (base, fine, finer), faults = read_cascade(written(tmp_path, "sub/b.toml", text))
    assert faults == []
    assert (base.level, fine.level, finer.run) == (0.1, 0.3, "old")
    assert [value(outline, "train", "steps")[0] for outline in (base, fine, finer)] == [9, 9, 9]
    assert {value(outline, "data", "path")[0] for outline in (base, fine, finer)} == {
        str(tmp_path / "sub" / "other")
    }
    assert value(finer, "recipe")[0] == str(tmp_path / "mine.toml")


def test_the_command_line_speaks_to_all_or_to_one(tmp_path):
    sets = ["train.steps=1", "stage.fine.train.steps=2", "stage.fine.level=0.5"]
    (base, fine), faults = read_cascade(
        written(tmp_path, "a.toml", BASE), [("--batch", "train.batch", 3)], sets
    )
    assert faults == []
    assert (base.level, fine.level) == (0.1, 0.5)
    assert value(base, "train", "steps") == (1, "--set train.steps")
    assert value(fine, "train", "steps") == (2, "--set stage.fine.train.steps")
    assert value(fine, "train", "batch") == (3, "--batch")
    assert stage_sets(sets) == (sets[:1], sets[1:])


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "a.toml: has no stage"),
        ("[[stage]]\nlevel = 1", "a.toml:1: a stage has no name"),
        ('[[stage]]\nname = "a/b"', "a.toml:2: the name 'a/b' is not valid; use letters"),
        ('[[stage]]\nname = "samples"', "a stage cannot be called samples"),
        (
            '[[stage]]\nname = "x"\n\n[[stage]]\nname = "x"',
            "a.toml:5: two stages in this file are called 'x'",
        ),
        ('[stage]\nname = "x"', "stage is not a list of tables"),
        ('[[stage]]\nname = "x"\nlevel = -1', "a.toml:3: level = -1 is not a number of at least 0"),
        ('[[stage]]\nname = "x"\nrun = 3', "a.toml:3: run = 3 is not text"),
        ('extends = 3\n[[stage]]\nname = "x"', "a.toml:1: extends = 3 is not text"),
        ('extends = "a.toml"\n[[stage]]\nname = "x"', "also extends this file"),
        ('extends = "none.toml"\n[[stage]]\nname = "x"', "none.toml: cannot be read"),
        ("[[stage]\n", "a.toml:1: is not valid TOML"),
    ],
)
def test_faults_in_the_form_have_their_place(tmp_path, text, said):
    _, faults = read_cascade(written(tmp_path, "a.toml", text))
    assert len(faults) == 1
    assert said in faults[0]


def test_faults_of_the_command_line_bear_the_words_that_were_written(tmp_path):
    sets = ["stage.fnie.train.steps=1", "stage.fine.level=much", "stage.fine.train"]
    _, faults = read_cascade(written(tmp_path, "a.toml", BASE), (), sets)
    assert (
        faults[0] == "--set stage.fnie.train.steps: there is no stage 'fnie'. Did you mean 'fine'?"
    )
    assert faults[1].startswith("--set stage.fine.train: does not have the form table.key=value")
    assert faults[2].startswith("--set stage.fine.level: level = 'much' is not a number")


EXPERTS = """
modality = "ecg"
[train]
steps = 5

[[stage]]
name = "base"
[stage.modality]
leads = [1]
[[stage.expert]]
name = "fine"
below = 0.5
data = "close"
[stage.expert.train]
steps = 7
[[stage.expert]]
name = "finest"
below = 0.1
run = "old"

[[stage]]
name = "next"
[stage.train]
batch = 2
"""


def test_a_stage_has_experts_that_are_as_it_is_where_they_say_nothing(tmp_path):
    path = written(tmp_path, "a.toml", EXPERTS)
    (base, other), faults = read_cascade(path)
    assert faults == []
    assert other.experts == ()
    assert [(expert.name, expert.below, expert.run) for expert in base.experts] == [
        ("fine", 0.5, ""),
        ("finest", 0.1, "old"),
    ]
    fine, finest = base.experts
    assert value(base, "train", "steps") == (5, f"{path}:4")
    assert value(fine, "train", "steps") == (7, f"{path}:15")
    assert value(fine, "modality", "leads") == ([1], f"{path}:9")
    assert value(fine, "data", "path") == (str(tmp_path / "close"), f"{path}:13")
    assert value(finest, "train", "steps") == (5, f"{path}:4")
    assert value(other, "train", "batch") == (2, f"{path}:24")


def test_experts_are_spoken_to_by_files_above_and_by_the_command_line(tmp_path):
    written(tmp_path, "a.toml", EXPERTS)
    text = 'extends = "a.toml"\n[[stage]]\nname = "base"\n[stage.train]\nsteps = 8\nbatch = 3\n[[stage.expert]]\nname = "fine"\nbelow = 0.4\n'
    path = written(tmp_path, "b.toml", text + '[[stage.expert]]\nname = "more"\nbelow = 2\n')
    sets = [
        "stage.base.train.steps=9",
        "stage.base.expert.finest.below=0.2",
        "stage.base.expert.more.train.batch=4",
    ]
    (base, _), faults = read_cascade(path, (), sets)
    assert faults == []
    fine, finest, more = base.experts
    assert [(expert.name, expert.below) for expert in base.experts] == [
        ("fine", 0.4),
        ("finest", 0.2),
        ("more", 2),
    ]
    assert [value(one, "train", "steps")[0] for one in (base, fine, finest, more)] == [
        9,
        7,
        9,
        9,
    ]  # its own word is an expert's last
    assert [value(one, "train", "batch")[0] for one in (base, fine, finest)] == [3, 3, 3]
    assert value(more, "train", "batch") == (4, "--set stage.base.expert.more.train.batch")
    (base, _), _ = read_cascade(path, [("--steps", "train.steps", 1)])
    assert {value(one, "train", "steps")[0] for one in (base, *base.experts)} == {
        1
    }  # as it is every stage's


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('[[stage.expert]]\nname = "a"', "stage x: its expert a has no below"),
        ('[[stage.expert]]\nname = "a"\nbelow = 0', "a.toml:5: below = 0 is not a number above 0"),
        (
            '[[stage.expert]]\nname = "a"\nbelow = "much"',
            "a.toml:5: below = 'much' is not a number above 0",
        ),
        (
            "[[stage.expert]]\nbelow = 1",
            "a.toml:3: an expert has no name; write name = as the first line below [[stage.expert]]",
        ),
        (
            '[[stage.expert]]\nname = "a b"\nbelow = 1',
            "a.toml:4: the name 'a b' is not valid; use letters",
        ),
        (
            '[[stage.expert]]\nname = "a"\nbelow = 1\n[[stage.expert]]\nname = "a"\nbelow = 2',
            "two experts in this stage are called 'a'",
        ),
        ('[stage.expert]\nname = "a"', "expert is not a list of tables; write [[stage.expert]]"),
        (
            '[[stage.expert]]\nname = "a"\nbelow = 1\n[[stage]]\nname = "x-a"',
            "the folder of its expert a would be x-a, which is already taken",
        ),
    ],
)
def test_faults_in_the_form_of_experts_have_their_place(tmp_path, text, said):
    _, faults = read_cascade(written(tmp_path, "a.toml", f'[[stage]]\nname = "x"\n{text}'))
    assert len(faults) == 1
    assert said in faults[0]


def test_the_command_line_names_experts_that_there_are(tmp_path):
    path = written(tmp_path, "a.toml", EXPERTS)
    _, faults = read_cascade(
        path, (), ["stage.base.expert.fnie.train.steps=1", "stage.next.expert=3"]
    )
    assert faults[0].endswith("stage base has no expert 'fnie'. It has: fine, finest")
    assert "does not name an expert; write stage.next.expert.NAME.table.key=value" in faults[1]
