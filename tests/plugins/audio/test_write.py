"""Sound files: what is written is read back, its provenance too, and nothing is ever overwritten."""

from __future__ import annotations

import json

import numpy as np
import pytest
import soundfile

from difftool import UsageError
from difftool_audio.write import ROOM, comment, encode, write


def noise(channels: int = 1, n: int = 1000) -> np.ndarray:
    """int16 ``[channels, n]``, both ends of the range among them."""
    x = np.random.default_rng(0).integers(-32767, 32768, (channels, n), np.int16)
    x[:, :2] = -32767, 32767
    return x


@pytest.mark.parametrize("format", ["wav", "flac"])
@pytest.mark.parametrize("channels", [1, 2])
@pytest.mark.parametrize("rate", [8000, 44_100, 192_000])
def test_what_is_written_is_read_back(tmp_path, format, channels, rate):
    example, info = noise(channels), {"seed": 3, "model": "runs/Käse/model", "class": "二"}
    path = write(example, rate, tmp_path / "deep" / "000001-a.b", format, info)
    assert path == tmp_path / "deep" / f"000001-a.b.{format}"
    with soundfile.SoundFile(path) as file:
        assert (file.samplerate, file.channels, file.subtype, file.format) == (
            rate,
            channels,
            "PCM_16",
            format.upper(),
        )
        assert json.loads(file.comment) == info
        assert np.array_equal(file.read(dtype="int16", always_2d=True).T, example)
    assert list(path.parent.iterdir()) == [path]


@pytest.mark.parametrize("format", ["wav", "flac"])
def test_an_existing_file_stays_as_it_is(tmp_path, format):
    path = write(noise(), 16_000, tmp_path / "a", format, {})
    before = path.read_bytes()
    with pytest.raises(UsageError, match="exists already"):
        write(noise() // 2, 16_000, tmp_path / "a", format, {})
    assert path.read_bytes() == before
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("format", ["wav", "flac"])
def test_the_same_sound_is_the_same_bytes(format):
    assert encode(noise(), 16_000, format, {"seed": 1}) == encode(
        noise(), 16_000, format, {"seed": 1}
    )


@pytest.mark.parametrize("format", ["wav", "flac"])
@pytest.mark.parametrize("length", [1900, 5000, 100_000])
def test_long_provenance_is_still_provenance(tmp_path, format, length):
    """A WAV comment that is too long would read as none."""
    info = {
        "seed": 3,
        "caption": "né" * (length // 2),
        "cond": {"many": ["words"] * 1000},
        "steps": 50,
    }
    path = write(noise(), 16_000, tmp_path / "a", format, info)
    with soundfile.SoundFile(path) as file:
        found = json.loads(file.comment)
    assert (found["seed"], found["steps"]) == (3, 50)
    assert info["caption"].startswith(found["caption"].removesuffix("…"))
    assert (found == info) == (format == "flac")


@pytest.mark.parametrize("room", [2, 50, 200, 2000])
def test_a_comment_never_takes_more_than_its_room(room):
    for count in (0, 1, 30, 1000):
        text = comment({f"name{i}": "ä" * 40 for i in range(count)}, room)
        assert len(text.encode()) <= room
        assert len(json.loads(text)) <= count


def test_what_json_does_not_know_is_written_as_text(tmp_path):
    with soundfile.SoundFile(
        write(noise(), 16_000, tmp_path / "a", "wav", {"model": tmp_path})
    ) as file:
        assert json.loads(file.comment) == {"model": str(tmp_path)}


def test_the_largest_comment_of_a_wav_is_seen_by_its_readers(tmp_path):
    text = json.loads(_comment(tmp_path, {"text": "x" * (ROOM["wav"] - len('{"text": ""}'))}))[
        "text"
    ]
    assert len(text) == ROOM["wav"] - len('{"text": ""}')


def _comment(folder, info) -> str:
    with soundfile.SoundFile(write(noise(), 16_000, folder / "a", "wav", info)) as file:
        return file.comment
