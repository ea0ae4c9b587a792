"""Files by their embedding: tiny CLIP that is made here and saved as transformers saves it."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from small import SETS, call, examples, same

from difftool import DataError, UsageError
from difftool.conditioners.file_column import BesideColumn, ReferenceColumn
from difftool.conditioners.options import ReferenceOptions
from difftool.testing import conditioner_contract

EMBEDDED = 12


@pytest.mark.parametrize("name", ["reference"])
def test_it_keeps_the_contract_of_conditioners(name):
    column = ReferenceColumn("style", (5,), "clip")
    suite = conditioner_contract(name, {"width": 8}, column=column, values=torch.eye(5)[:3])
    made = {one for one in dir(suite) if one.startswith("test_")}
    checks = [getattr(suite, one) for one in sorted(made - {"test_no_user_gives_it"})]
    assert len(checks) > 8
    for check in checks:
        check(suite())


def test_a_missing_network_or_file_is_told():
    rows = [{"style": "a.png"}]
    with pytest.raises(UsageError, match="names no network"):
        ReferenceColumn.read_as("style", rows, ReferenceOptions())
    with pytest.raises(DataError, match="names no file"):
        BesideColumn.read("style", [{"style": ""}, {}])
    with pytest.raises(DataError, match="is 2x3, and the examples are 2x2"):
        BesideColumn("style", (2, 2)).batch([np.zeros((2, 3))])


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


def test_samples_are_steered_by_the_embedding_of_a_file(clip, tmp_path, monkeypatch):
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
            table.writerow((f"data/{i}.png", f"style/{i}.png" if i % 3 else ""))
        Path("style/0.png").rename("given.png")
        Path("style/3.png").unlink()
    Path("given.png").rename("data/.given.png")
    sets = [*SETS, "conditions.style.use=reference", f"conditions.style.path={clip}",
            "train.steps=4", "optimizer.warmup=0", "optimizer.lr=0.02"]  # fmt: skip
    words = [word for text in sets for word in ("--set", text)]
    assert call("train", "-m", "image", ".", "--run", "run", *words) == 0
    (kept,) = Path("cache/files").glob("*/kept.npy")
    assert np.load(kept).shape == (4, EMBEDDED)
    sample = ["sample", "run", "-n", "2", "--steps", "3"]
    for to, given in {"one": "data/.given.png", "other": "style/1.png", "open": "none"}.items():
        assert call(*sample, "--cond", f"style={given}", "-o", to) == 0
    assert not same(examples("one"), examples("other"))
    assert not same(examples("one"), examples("open"))
