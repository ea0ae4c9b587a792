"""Models of open_clip as encoders of texts and of pictures, on a tiny one in its own format."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch

from difftool import UsageError
from difftool.conditioners.options import EncoderOptions

open_clip = pytest.importorskip("open_clip")

CONFIG = {
    "embed_dim": 12,
    "vision_cfg": {"image_size": 8, "layers": 1, "width": 64, "head_width": 32, "patch_size": 4},
    "text_cfg": {"context_length": 24, "vocab_size": 49408, "width": 16, "heads": 2, "layers": 2},
}
TEXTS = ["a red dog", "Two  BLUE cats, don't they sleep? 字"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    from safetensors.torch import save_file

    folder = tmp_path_factory.mktemp("clip")
    torch.manual_seed(0)
    tensors = {name: x.contiguous() for name, x in open_clip.CLIP(**CONFIG).state_dict().items()}
    save_file(tensors, folder / "open_clip_model.safetensors")
    about = {"model_cfg": CONFIG, "preprocess_cfg": {"mean": [0.5] * 3, "std": [0.25] * 3}}
    (folder / "open_clip_config.json").write_text(json.dumps(about))
    return folder


@pytest.fixture(scope="module")
def model(folder):
    return open_clip.create_model(f"local-dir:{folder}").eval()


def built(folder: Path, **options):
    from difftool.conditioners.encoder import PretrainedText
    from difftool.conditioners.encoder_column import EncoderTextColumn

    chosen = EncoderOptions(path=str(folder), width=8, token_width=8, cache=False, **options)
    column, _ = EncoderTextColumn.read_as("caption", [{"caption": t} for t in TEXTS], chosen)
    return PretrainedText(chosen, column).eval(), column


@pytest.mark.parametrize("stored", [True, False])
def test_texts_are_read_as_open_clip_reads_them(folder, model, stored):
    conditioner, column = built(folder, stored=stored)
    value = torch.from_numpy(column.batch(TEXTS))
    expected = open_clip.get_tokenizer(f"local-dir:{folder}")(TEXTS)
    for mine, own in zip(value, expected, strict=True):
        assert mine[mine >= 0].tolist() == own[own > 0].tolist()
    with torch.no_grad():
        tokens, pooled = conditioner.encoder(value.clamp_min(0), value >= 0)
        torch.testing.assert_close(pooled, model.encode_text(expected))
        before, _ = built(folder, layer=-2)[0].encoder(value.clamp_min(0), value >= 0)
    assert tokens.shape == before.shape == (*value.shape, 16)
    assert not torch.allclose(tokens, before)


def test_pictures_and_texts_lie_in_one_space(folder, model):
    from difftool_image.modality import ImageModality
    from difftool_image.options import ImageOptions

    network = ImageModality(ImageOptions()).feature_network(str(folder))
    pictures = [np.full((3, 8, 8), value, np.uint8) for value in (0, 128, 255)]
    shown = (torch.from_numpy(np.stack(pictures)).float() / 255 - 0.5) / 0.25
    with torch.no_grad():
        expected = model.encode_image(shown).numpy()
    assert network(pictures) == pytest.approx(expected, abs=1e-5)
    assert network.texts(TEXTS).shape == (2, 12)
    assert network.tokens(pictures).shape == (3, 4, 64)


def test_what_cannot_be_read_is_told(folder, tmp_path):
    from difftool import pretrained

    (tmp_path / "open_clip_config.json").write_text((folder / "open_clip_config.json").read_text())
    with pytest.raises(UsageError, match=r"open_clip_model\.safetensors is missing\. Place"):
        pretrained(tmp_path)
    other = {**CONFIG, "text_cfg": {"hf_model_name": "roberta-base"}}
    (tmp_path / "open_clip_config.json").write_text(json.dumps({"model_cfg": other}))
    (tmp_path / "tokenizer.json").write_text(built(folder)[1].vocabulary)
    with pytest.raises(UsageError, match="read by roberta-base"):
        built(tmp_path)
    conditioner, _ = built(folder)
    with pytest.raises(UsageError, match=r"25 tokens, but this encoder reads 24"):
        conditioner.encoder(torch.zeros(1, 25, dtype=torch.int64), torch.ones(1, 25) > 0)
