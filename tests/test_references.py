"""Files by their embedding: tiny CLIP that is made here and saved as transformers saves it."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from small import SETS, call, examples, same

from difftool import Batch, DataError, Description, UsageError
from difftool.conditioners.beside import Beside
from difftool.conditioners.file_column import BesideColumn, ReferenceColumn
from difftool.conditioners.options import BesideOptions, ReferenceOptions
from difftool.representations.options import StandardOptions
from difftool.representations.standard import Standard
from difftool.rng import Stream
from difftool.testing import conditioner_contract

EMBEDDED = 12
MEASURED = {"mean": [100.0] * 3, "std": [50.0] * 3, "low": [0.0] * 3, "high": [255.0] * 3}


@pytest.mark.parametrize("shape", [(5,), (4, 5)], ids=["vector", "tokens"])
def test_it_keeps_the_contract_of_conditioners(shape):
    column = ReferenceColumn("style", shape, "clip", len(shape) == 2)
    values = Stream(0, "values").normal((3, *shape))
    options = {"width": 8, "token_width": 8}
    suite = conditioner_contract("reference", options, column=column, values=values)
    made = {one for one in dir(suite) if one.startswith("test_")}
    checks = [getattr(suite, one) for one in sorted(made - {"test_no_user_gives_it"})]
    assert len(checks) > 8
    for check in checks:
        check(suite())


def test_a_file_beside_is_encoded_as_an_example_is_and_null_is_zeros():
    description = Description((3, 4, 4), "uint8", 2, {}, {}, measured=MEASURED)
    representation = Standard(StandardOptions(), description)
    beside = Beside(BesideOptions(), BesideColumn("before", (3, 4, 4)))
    beside.sees(representation, torch.uint8)
    raw = torch.randint(0, 256, (2, 3, 4, 4), dtype=torch.uint8)
    value = torch.cat((raw.float(), beside.null(raw[:1].float())))
    found = beside(value).channels
    assert beside.channels == 3
    assert torch.equal(found[:2], representation.encode(Batch(raw)).x)
    assert not found[2].any()
    with pytest.raises(UsageError, match="examples of one size"):
        beside.sees(Standard(StandardOptions(), Description((3, None), "uint8", 2)), torch.uint8)


def test_a_missing_network_or_file_is_told():
    rows = [{"style": "a.png"}]
    with pytest.raises(UsageError, match="names no network"):
        ReferenceColumn.read_as("style", rows, ReferenceOptions())
    with pytest.raises(DataError, match="names no file"):
        BesideColumn.read("style", [{"style": ""}, {}])
    with pytest.raises(DataError, match="is 2x3, and the examples are 2x2"):
        BesideColumn("style", (2, 2)).batch([np.zeros((2, 3))])


class Broken:
    """Its network is loaded, and cannot be applied."""

    def feature_network(self, name):
        def network(examples):
            raise {"unfit": RuntimeError("16x16 and 32x24"), "large": MemoryError}[name]

        return network


def test_a_network_whose_files_do_not_fit_each_other_is_bad_input():
    column = ReferenceColumn("style", network="unfit")
    with pytest.raises(UsageError, match=r"in unfit .*: 16x16 and 32x24. Place the files there"):
        column.taken([np.zeros(3)], Broken())
    with pytest.raises(MemoryError):
        ReferenceColumn("style", network="large").taken([np.zeros(3)], Broken())


@pytest.fixture(scope="module")
def clip(tmp_path_factory) -> Path:
    transformers = pytest.importorskip("transformers")
    folder = tmp_path_factory.mktemp("clip")
    size = {"hidden_size": 16, "intermediate_size": 16, "num_hidden_layers": 1,
            "num_attention_heads": 2}  # fmt: skip
    text = {**size, "vocab_size": 10, "max_position_embeddings": 8, "eos_token_id": 2}
    vision = {**size, "image_size": 8, "patch_size": 4}
    with torch.random.fork_rng():
        torch.manual_seed(0)
        config = transformers.CLIPConfig(
            text_config=text, vision_config=vision, projection_dim=EMBEDDED
        )
        transformers.CLIPModel(config).save_pretrained(folder)
    from tokenizers import Tokenizer, models

    made = Tokenizer(models.WordLevel({"[UNK]": 0, "a": 1}, "[UNK]"))
    transformers.PreTrainedTokenizerFast(tokenizer_object=made, pad_token="[UNK]").save_pretrained(
        folder
    )
    return folder


@pytest.mark.parametrize("tokens", [False, True], ids=["vector", "tokens"])
def test_samples_are_steered_by_the_embedding_of_a_file(clip, tmp_path, monkeypatch, tokens):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("DIFFTOOL_CACHE", str(tmp_path / "cache"))
    rng = np.random.default_rng(0)
    with open("metadata.csv", "w", newline="") as file:
        table = csv.writer(file)
        table.writerow(("file_name", "style"))
        for i in range(6):
            for name in ("data", "style"):
                Path(name).mkdir(exist_ok=True)
                Image.fromarray(rng.integers(0, 255, (8, 8, 3), dtype=np.uint8)).save(
                    f"{name}/{i}.png"
                )
            given = f"data/{i}.png" if i == 5 else f"style/{i}.png"  # one is its own reference
            table.writerow((f"data/{i}.png", given if i % 3 else ""))
        Path("style/0.png").rename("given.png")
        Path("style/3.png").unlink()
        Path("style/5.png").unlink()
    Path("given.png").rename("data/.given.png")
    sets = [*SETS, "conditions.style.use=reference", f"conditions.style.path={clip}",
            f"conditions.style.tokens={str(tokens).lower()}", "train.steps=4", "optimizer.warmup=0", "optimizer.lr=0.02"]  # fmt: skip
    words = [word for text in sets for word in ("--set", text)]
    assert call("train", "-m", "image", ".", "--run", "run", *words) == 0
    assert json.loads(Path("run/description.json").read_text())["count"] == 6
    (kept,) = Path("cache/files").glob("*/kept.npy")
    assert np.load(kept).shape == ((4, 1 + 4, 16) if tokens else (4, EMBEDDED))
    sample = ["sample", "run", "-n", "2", "--steps", "3"]
    for to, given in {"one": "data/.given.png", "other": "style/1.png", "open": "none"}.items():
        assert call(*sample, "--cond", f"style={given}", "-o", to) == 0
    assert not same(examples("one"), examples("other"))
    assert not same(examples("one"), examples("open"))


PRIOR = """
modality = "image"

[[stage]]
name = "prior"
[stage.modality]
size = 8
[stage.representation]
use = "embedding"
path = "{clip}"
[stage.backbone]
use = "dit"
width = 24
depth = 2
head_width = 12
patch = [1]
[stage.conditions.caption]
use = "text"
layers = 1
token_width = 16

[[stage]]
name = "decoder"
[stage.modality]
size = 8
[stage.backbone]
channels = 8
multipliers = [1, 2]
[stage.bridge]
use = "embedding"
path = "{clip}"
"""


def test_a_prior_makes_embeddings_of_texts_and_a_decoder_pictures_of_these(
    clip, tmp_path, monkeypatch
):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("DIFFTOOL_CACHE", str(tmp_path / "cache"))
    Path("data").mkdir()
    rng = np.random.default_rng(0)
    for i in range(8):
        Image.fromarray(rng.integers(0, 255, (8, 8, 3), dtype=np.uint8)).save(f"data/{i}.png")
        Path(f"data/{i}.txt").write_text(("a red one", "a blue one")[i % 2])
    Path("prior.toml").write_text(PRIOR.format(clip=clip))
    short = ["train.steps=4", "train.batch=4", "train.preview=0", "train.precision=fp32",
             "optimizer.warmup=0", "optimizer.lr=0.02"]  # fmt: skip
    sets = [word for one in short for word in ("--set", one)]
    assert call("train", "prior.toml", "data", "--run", "runs/prior", *sets) == 0
    some = ["-n", "2", "--steps", "3", "--prompt", "a red one"]
    assert call("sample", "runs/prior", *some, "--until", "prior", "-o", "vectors") == 0
    vectors = [np.load(file) for file in sorted(Path("vectors").glob("*.npy"))]
    assert [one.shape for one in vectors] == [(EMBEDDED,)] * 2
    assert call("evaluate", "runs/prior/prior", "-n", "2", "--steps", "3") == 2
    assert call("sample", "runs/prior", *some, "-o", "red") == 0
    assert call("sample", "runs/prior", *some[:-1], "a blue one", "-o", "blue") == 0
    assert len(list(Path("red").glob("*.png"))) == 2
    assert not same(examples("red"), examples("blue"))
