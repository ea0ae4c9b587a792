"""AudioModality: what auto becomes, what is left out, batches, templates and timing."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
import torch

from difftool import DataError, Description, Item, NoOptions, Stream, Streams
from difftool.config import flag_layer
from difftool.config.faults import validate
from difftool.data.remark import remarks
from difftool_audio.decode import Header
from difftool_audio.measure import auto_rate, auto_seconds
from difftool_audio.options import AudioOptions, AudioRequest

from .conftest import RATE, modality, read, save, tone, write_tone

SHAPES = np.array([[1, 8000], [1, 8000]])


def fitted(folder, **options):
    one = modality(**options)
    return one.fit(one.scan(folder))


def described(one, shapes) -> Description:
    shape, extra, _ = one.describe(np.asarray(shapes))
    return Description(shape, "int16", len(shapes), extra=extra)


def template(one, description: Description, n: int = 3, **request):
    return one.template(description, n, Streams(0, "template", range(n)), AudioRequest(**request))


# --- auto ------------------------------------------------------------------------------------------------------------


def test_the_rate_is_that_of_most_of_the_sound_not_of_most_files():
    assert auto_rate([Header(8000, 1, 8000)] * 5 + [Header(44_100, 2, 441_000)]) == 44_100
    assert auto_rate([Header(8000, 1, 16_000), Header(16_000, 1, 32_000)]) == 16_000


def test_the_length_is_the_longest_ones_up_to_two_seconds():
    assert auto_seconds([Header(16_000, 1, 8000), Header(8000, 1, 6001)], 16_000) == 12_002 / 16_000
    assert auto_seconds([Header(16_000, 1, 80_000)], 16_000) == 2.0
    assert auto_seconds([Header(16_000, 1, 0)], 16_000) == 0.02  # less cannot be set


def test_auto_is_settled_from_the_headers(folder):
    write_tone(folder / "low" / "long.wav", seconds=0.8, rate=8000)
    one = fitted(folder)
    assert (one.rate, one.channels, one.options.seconds) == (RATE, 1, 0.8)
    assert one.length == 12_800
    assert one.fit([]).settings() == one.settings()


def test_what_is_asked_for_is_kept(folder):
    one = fitted(folder, rate=8000, seconds=0.25, channels="stereo")
    assert (one.rate, one.length, one.channels) == (8000, 2000, 2)
    assert fitted(folder, rate="22.05k").rate == 22_050
    assert fitted(folder, seconds=3).options.seconds == 3.0


@pytest.mark.parametrize(
    ("typed", "rate"),
    [("44.1k", 44_100), ("16kHz", 16_000), ("8000 Hz", 8000), ("22050", 22_050), ("auto", "auto")],
)
def test_a_rate_is_taken_as_people_type_it(typed, rate):
    layer = flag_layer([("--rate", "modality.rate", typed)])
    options, faults = validate(
        AudioOptions, layer.data["modality"], {"rate": typed}, str, "modality"
    )
    assert not faults
    assert options is not None
    assert options.rate == rate


@pytest.mark.parametrize(
    ("key", "value", "words"),
    [
        ("rate", 44.1, "from 100 to 1,536,000"),
        ("rate", "fast", "from 100 to 1,536,000"),
        ("seconds", 0.01, "from 0.02 to 3600"),
    ],
)
def test_a_rate_or_length_that_cannot_be_is_answered_with_those_that_can(key, value, words):
    _, faults = validate(AudioOptions, {key: value}, {}, str, "modality")
    assert len(faults) == 1
    assert str(value) in faults[0]
    assert words in faults[0]


def test_what_was_found_of_very_short_recordings_can_be_set(tmp_path):
    write_tone(tmp_path / "click.wav", seconds=0.004, rate=8000)
    found = fitted(tmp_path, shortest=0.001).settings()
    assert AudioOptions.model_validate_json(found.model_dump_json()) == found


def test_unsettled_options_are_not_guessed():
    for name in ("rate", "length"):
        with pytest.raises(DataError, match="still auto"):
            getattr(modality(rate="auto" if name == "rate" else 8000), name)


def test_bad_files_do_not_hinder_what_auto_finds(folder):
    (folder / "low" / "empty.wav").touch()
    assert fitted(folder).rate == RATE


def test_a_folder_of_nothing_readable_is_one_clear_error(tmp_path):
    (tmp_path / "a.wav").touch()
    with pytest.raises(DataError, match=r"a\.wav is empty"):
        fitted(tmp_path)


# --- reading ---------------------------------------------------------------------------------------------------------


def test_everything_is_brought_to_one_rate_and_number_of_channels(folder):
    write_tone(folder / "low" / "b.wav", rate=44_100, channels=2)
    one = fitted(folder)
    examples = [one.read(item) for item in one.scan(folder)]
    assert {x.shape for x in examples} == {(1, 8000)}
    assert {x.dtype.name for x in examples} == {"int16"}


def test_labels_and_metadata_are_kept(folder):
    (folder / "metadata.csv").write_text("file_name,pitch\nlow/0.wav,200\n")
    (folder / "high" / "1.txt").write_text("a high tone")
    items = modality().scan(folder)
    by_name = {item.path.relative_to(folder).as_posix(): dict(item.columns) for item in items}
    assert by_name["low/0.wav"] == {"class": "low", "pitch": 200.0}
    assert by_name["high/1.wav"] == {"class": "high", "caption": "a high tone"}


@pytest.mark.parametrize("silence", ["skip", "trim"])
def test_silence_is_refused_unless_it_is_to_be_kept(tmp_path, silence):
    path = save(tmp_path / "a.wav", np.zeros((1, 8000)))
    with pytest.raises(DataError, match=r"a\.wav is silent throughout.*--silence keep"):
        read(path, silence=silence)
    assert not read(path, silence="keep").any()


def test_channels_that_cancel_in_mono_are_not_called_silence(tmp_path):
    path = save(tmp_path / "a.wav", np.concatenate([tone(), -tone()]))
    with pytest.raises(DataError, match=r"a\.wav is silent in mono.*--channels stereo"):
        read(path)
    assert np.abs(read(path, channels="stereo")).max() > 1000


def test_silent_ends_are_kept_unless_they_are_to_be_cut(tmp_path):
    x = np.concatenate((np.zeros((1, 8000)), tone(), np.zeros((1, 8000))), axis=1)
    path = save(tmp_path / "a.wav", x)
    assert read(path).shape == (1, 24_000)
    assert abs(read(path, silence="trim").shape[1] - (8000 + 2 * 320)) < 20
    click = np.zeros((1, 8000))
    click[:, 4000] = 0.5
    with pytest.raises(DataError, match=r"0\.040 s of sound between its silent ends"):
        read(save(tmp_path / "click.wav", click), silence="trim")


def test_what_is_too_short_is_refused(tmp_path):
    path = write_tone(tmp_path / "a.wav", seconds=0.01)
    with pytest.raises(DataError, match=r"a\.wav lasts 0\.010 s, less than 0\.05 s"):
        read(path, seconds=0.5)
    assert read(path, seconds=0.5, shortest=0.01).shape == (1, 160)


def test_what_is_used_all_the_same_is_remarked_on(folder):
    write_tone(folder / "low" / "telephone.wav", rate=8000)
    write_tone(folder / "low" / "surround.wav", channels=6)
    one = fitted(folder)
    with remarks() as said:
        for item in one.scan(folder):
            one.read(item)
    assert sorted(said) == [
        "6 channels, mixed down to mono",
        "recorded at 8,000 Hz: nothing above 4,000 Hz is in it",
    ]


# --- batches ---------------------------------------------------------------------------------------------------------


def test_a_batch_of_equal_lengths_needs_no_mask(folder):
    one = fitted(folder)
    raw = one.collate(
        np.stack([one.read(item) for item in one.scan(folder)[:4]]), Stream(0, "collate")
    )
    assert raw.x.shape == (4, 1, 8000)
    assert raw.x.dtype == torch.int16
    assert raw.mask is None
    assert not raw.cond
    assert one.augment(raw, Stream(0, "augment")) is raw


def test_a_batch_of_unequal_lengths_has_one():
    one = modality(rate=RATE, seconds=0.5)
    raw = one.collate(
        [np.ones((1, n), np.int16) for n in (8000, 3000, 20_000)], Stream(0, "collate")
    )
    assert raw.mask is not None
    assert raw.mask.dtype == torch.bool
    assert raw.mask.sum((1, 2)).tolist() == [8000, 3000, 8000]
    assert torch.equal(raw.x.bool(), raw.mask.expand_as(raw.x))


def test_the_description_follows_from_options_and_shapes():
    one = modality(rate=RATE, seconds=0.5, channels="stereo")
    shape, extra, own = one.describe(np.array([[2, 4000]] * 3 + [[2, 99_000]]))
    assert (shape, extra["rate"], own) == ((2, 8000), RATE, ())
    assert len(extra["totals"]) == 101
    assert (extra["totals"][0], extra["totals"][50], extra["totals"][-1]) == (4000, 4000, 99_000)


# --- templates -------------------------------------------------------------------------------------------------------


def test_samples_are_as_long_as_the_data_where_that_is_of_one_length():
    one = modality(rate=RATE, seconds=0.5)
    made = template(one, described(one, SHAPES))
    assert made.x.shape == (3, 1, 8000)
    assert made.x.dtype == torch.int16
    assert made.mask is None
    assert one.template(
        described(one, SHAPES), 2, Streams(0, "t", range(2)), NoOptions()
    ).x.shape == (2, 1, 8000)


def test_samples_have_the_lengths_of_the_data_where_those_vary():
    one = modality(rate=RATE, seconds=0.5)
    lengths = np.random.default_rng(0).integers(1000, 12_000, 500)
    made = template(one, described(one, [[1, n] for n in lengths]), 400)
    assert made.mask is not None
    drawn = made.mask.sum((1, 2)).numpy()
    assert made.x.shape == (400, 1, 8000)
    expected = np.minimum(lengths, 8000)
    for q in (0.1, 0.3, 0.5, 1.0):
        assert abs(np.quantile(drawn, q) - np.quantile(expected, q)) < 500
    assert abs((drawn == 8000).mean() - (expected == 8000).mean()) < 0.08


@pytest.mark.parametrize("lengths", [[8000, 8000], [3000, 8000]])
@pytest.mark.parametrize("seconds", [0.1, 3.5])
def test_a_length_that_is_asked_for_is_given(lengths, seconds):
    one = modality(rate=RATE, seconds=0.5)
    made = template(one, described(one, [[1, n] for n in lengths]), seconds=seconds)
    assert made.x.shape == (3, 1, round(seconds * RATE))
    assert made.mask is None


# --- timing ----------------------------------------------------------------------------------------------------------


def test_timing_says_where_a_part_is_and_how_long_its_recording():
    one = modality(rate=1000, seconds=0.1, timing=True)
    examples = [np.arange(1, n + 1, dtype=np.int16)[None] for n in (50, 100, 1000)]
    raw = one.collate(examples, Stream(0, "collate"))
    assert raw.cond["seconds_total"].tolist() == pytest.approx([0.05, 0.1, 1.0])
    assert raw.cond["seconds_start"].tolist() == pytest.approx(
        ((raw.x[:, 0, 0] - 1) / 1000).tolist()
    )
    assert {value.dtype for value in raw.cond.values()} == {torch.float32}


def test_timing_is_described_by_what_it_will_be():
    one = modality(rate=1000, seconds=0.1, timing=True)
    lengths = [50, 100, 1000, 3000]
    start, total = one.describe(np.array([[1, n] for n in lengths]))[2]
    assert (start.name, start.kind, total.name, total.kind) == (
        "seconds_start",
        "number",
        "seconds_total",
        "number",
    )
    assert (start.low, start.high, total.low, total.high) == (0.0, 2.9, 0.05, 3.0)
    examples = [np.arange(n, dtype=np.int16)[None] for n in lengths] * 500
    raw = one.collate(examples, Stream(0, "collate"))
    for known in (start, total):
        values = raw.cond[known.name]
        assert float(values.mean()) == pytest.approx(known.mean, rel=0.05)
        assert float(values.std()) == pytest.approx(known.std, rel=0.05)


def test_samples_are_told_lengths_of_recordings_that_there_are():
    """The model of parts of long recordings makes their beginnings, not recordings as short as the parts."""
    one = modality(rate=1000, seconds=0.1, timing=True)
    made = template(one, described(one, [[1, n] for n in (1000, 2000, 3000)]), 200)
    assert made.x.shape == (200, 1, 100)
    assert made.mask is None
    assert not made.cond["seconds_start"].any()
    totals = made.cond["seconds_total"]
    assert float(totals.min()) >= 1
    assert float(totals.max()) <= 3
    assert float(totals.mean()) == pytest.approx(2, abs=0.15)


def test_timing_of_equal_recordings_has_a_spread_of_one_not_of_none():
    start, total = modality(rate=1000, seconds=0.1, timing=True).describe(np.array([[1, 100]] * 3))[
        2
    ]
    assert (start.std, total.std) == (1.0, 1.0)
    assert math.isclose(total.mean, 0.1)


def test_a_sample_is_the_beginning_of_a_recording_of_its_length():
    one = modality(rate=1000, seconds=0.1, timing=True)
    known = described(one, [[1, 50], [1, 1000]])
    made = template(one, known, seconds=0.5)
    assert made.cond["seconds_start"].tolist() == [0, 0, 0]
    assert made.cond["seconds_total"].tolist() == [0.5, 0.5, 0.5]
    ranges = replace(
        known, conditions={c.name: c for c in one.describe(np.array([[1, 50], [1, 1000]]))[2]}
    )
    assert template(one, ranges, seconds=5).cond["seconds_total"].tolist() == [
        1,
        1,
        1,
    ]  # none was longer
    drawn = template(one, known)
    assert drawn.mask is not None
    assert drawn.cond["seconds_total"].clamp(max=0.1).tolist() == pytest.approx(
        (drawn.mask.sum((1, 2)) / 1000).tolist()
    )


# --- writing ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("format", ["wav", "flac"])
def test_a_sample_is_written_in_the_kind_asked_for_and_read_back(tmp_path, format):
    one = modality(rate=22_050, seconds=0.5)
    x = (tone(0.5, 22_050) * 32767).astype(np.int16)
    path = one.write(x, tmp_path / "a", {"seed": 1}, AudioRequest(format=format))
    assert path == tmp_path / f"a.{format}"
    assert np.array_equal(one.read(Item(path)), x)
    assert one.write(x, tmp_path / "b", {}, NoOptions()).suffix == ".wav"


def test_a_preview_is_replaced(tmp_path):
    one = modality(rate=RATE, seconds=0.5)
    paths = {
        one.preview([(tone(s) * 32767).astype(np.int16) for s in (0.5, 0.25)], tmp_path / "sheet")
        for _ in range(2)
    }
    assert paths == {tmp_path / "sheet.png"}


# --- refining ----------------------------------------------------------------------------------------------------------


def test_what_is_given_to_be_refined_is_read_whole_with_its_silence(tmp_path):
    x = np.pad(tone(2.0), ((0, 0), (RATE, RATE)))
    save(tmp_path / "a.wav", x)
    one = modality(rate=RATE // 2, seconds=0.5, silence="trim")
    assert one.read_given(Item(tmp_path / "a.wav")).shape == (1, 2 * RATE)
    assert one.read(Item(tmp_path / "a.wav")).shape[1] < 2 * RATE
