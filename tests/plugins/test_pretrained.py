"""CLIP and CLAP from folders that the library transformers wrote, with tiny networks made here."""

from __future__ import annotations

import shutil

import numpy as np
import pytest
import torch

from difftool import UsageError
from difftool.errors import Notice
from difftool.metric import Features
from difftool.metrics.captions import Captions
from difftool.options import NoOptions
from difftool_audio.modality import AudioModality
from difftool_audio.options import AudioOptions
from difftool_image.modality import ImageModality
from difftool_image.options import ImageOptions

transformers = pytest.importorskip("transformers")

TEXT = {
    "hidden_size": 16,
    "intermediate_size": 16,
    "num_hidden_layers": 1,
    "num_attention_heads": 2,
    "vocab_size": 40,
    "max_position_embeddings": 24,
    "bos_token_id": 0,
    "pad_token_id": 1,
    "eos_token_id": 2,
}
WORDS = ["a red ball", "a blue ball", "something else"]


def save_tokenizer(folder) -> None:
    from tokenizers import Tokenizer, models, pre_tokenizers

    words = [
        "[BOS]",
        "[PAD]",
        "[EOS]",
        "[UNK]",
        *sorted({word for text in WORDS for word in text.split()}),
    ]
    made = Tokenizer(models.WordLevel({word: i for i, word in enumerate(words)}, "[UNK]"))
    made.pre_tokenizer = pre_tokenizers.Whitespace()
    transformers.PreTrainedTokenizerFast(tokenizer_object=made, pad_token="[PAD]").save_pretrained(
        folder
    )


@pytest.fixture(scope="module")
def clip(tmp_path_factory):
    folder = tmp_path_factory.mktemp("clip")
    vision = {**TEXT, "image_size": 8, "patch_size": 4}
    with torch.random.fork_rng():
        torch.manual_seed(0)
        config = transformers.CLIPConfig(text_config=TEXT, vision_config=vision, projection_dim=12)
        transformers.CLIPModel(config).save_pretrained(folder)
    save_tokenizer(folder)
    return folder


@pytest.fixture(scope="module")
def clap(tmp_path_factory):
    folder = tmp_path_factory.mktemp("clap")
    audio = {
        "spec_size": 32,
        "num_mel_bins": 16,
        "patch_embeds_hidden_size": 8,
        "patch_size": 4,
        "patch_stride": [4, 4],
        "hidden_size": 16,
        "depths": [1, 1],
        "num_attention_heads": [1, 2],
        "window_size": 4,
        "num_hidden_layers": 2,
    }
    text = {**TEXT, "max_position_embeddings": 32, "type_vocab_size": 1}
    with torch.random.fork_rng():
        torch.manual_seed(0)
        config = transformers.ClapConfig(text_config=text, audio_config=audio, projection_dim=12)
        transformers.ClapModel(config).save_pretrained(folder)
    transformers.ClapFeatureExtractor(
        feature_size=16,
        sampling_rate=16000,
        max_length_s=1,
        fft_window_size=512,
        hop_length=320,
        truncation="rand_trunc",
    ).save_pretrained(folder)
    save_tokenizer(folder)
    return folder


def test_clip_sees_pictures_and_reads_texts_in_one_space(clip):
    network = ImageModality(ImageOptions()).feature_network(str(clip))
    pictures = [np.full((3, 8, 8), value, np.uint8) for value in (0, 128, 255)]
    seen, told = network(pictures), network.texts(WORDS)
    assert seen.shape == told.shape == (3, 12)
    assert len(np.unique(told.round(6), axis=0)) == 3
    model = transformers.CLIPModel.from_pretrained(clip).eval()
    shown = torch.from_numpy(np.stack(pictures)).float() / 255
    mean, std = (
        torch.tensor(one).reshape(1, 3, 1, 1)
        for one in (
            (0.48145466, 0.4578275, 0.40821073),
            (0.26862954, 0.26130258, 0.27577711),
        )
    )
    with torch.no_grad():
        found = model.get_image_features(pixel_values=(shown - mean) / std)
    found = found if isinstance(found, torch.Tensor) else found.pooler_output
    assert seen == pytest.approx(found.numpy(), abs=1e-5)


def test_the_score_of_clip_is_a_hundred_cosines(clip):
    network = ImageModality(ImageOptions()).feature_network(str(clip))
    rng = np.random.default_rng(0)
    pictures = list(rng.integers(0, 256, (3, 3, 8, 8), dtype=np.uint8))
    unit = [
        x / np.linalg.norm(x, axis=1, keepdims=True)
        for x in (network(pictures), network.texts(WORDS))
    ]
    found = Captions(NoOptions(), None).measure_features(
        Features(unit[0], alike={"caption": (unit[0], unit[1])}), None
    )
    cosines = (unit[0] * unit[1]).sum(1)
    assert found["caption_score"] == pytest.approx(100 * np.maximum(cosines, 0).mean(), abs=1e-9)


def test_clap_hears_sounds_at_any_rate_and_reads_texts(clap):
    rng = np.random.default_rng(0)
    sounds = [(1000 * rng.normal(size=(1, 8000))).astype(np.int16) for _ in range(3)]
    network = AudioModality(AudioOptions(rate=8000)).feature_network(str(clap))
    seen, told = network(sounds), network.texts(WORDS)
    assert seen.shape == told.shape == (3, 12)
    assert np.isfinite(seen).all()
    assert len(np.unique(seen.round(6), axis=0)) == 3
    pieces = network.tokens(sounds)
    assert len(pieces) == 3
    assert pieces.ndim == 3
    assert len(np.unique(pieces.mean(1).round(6), axis=0)) == 3


def test_a_folder_that_holds_no_network_is_told(tmp_path):
    (tmp_path / "config.json").write_text('{"model_type": "clip"}')
    with pytest.raises(
        UsageError, match=r"could not be loaded: .*Place config\.json and model\.safetensors there"
    ):
        ImageModality(ImageOptions()).feature_network(str(tmp_path))
    with pytest.raises(
        UsageError, match=r"could not be loaded: .*Place config\.json and model\.safetensors there"
    ):
        AudioModality(AudioOptions(rate=8000)).feature_network(str(tmp_path))


def test_tensors_that_a_file_lacks_are_told(clip, tmp_path):
    from safetensors.torch import load_file, save_file

    shutil.copytree(clip, tmp_path / "clip")
    file = tmp_path / "clip" / "model.safetensors"
    tensors = load_file(file)
    del tensors["visual_projection.weight"]
    save_file(tensors, file, {"format": "pt"})
    with pytest.warns(
        Notice, match=r"lacks 1 of the tensors of CLIPModel, such as visual_projection"
    ):
        ImageModality(ImageOptions()).feature_network(str(tmp_path / "clip"))
