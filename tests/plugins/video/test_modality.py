"""VideoModality: what is found, read, cut, masked and asked for."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from PIL import Image

from difftool import (
    Batch,
    DataError,
    Description,
    Item,
    LabelColumn,
    NoOptions,
    NumberColumn,
    Stream,
    Streams,
    UsageError,
)
from difftool_video.frames import Frames
from difftool_video.modality import VideoModality
from difftool_video.options import VideoOptions, VideoRequest

from .conftest import HEIGHT, RATE, WIDTH, levels, moving, save, save_pictures, which

SETTLED = {"size": (HEIGHT, WIDTH), "channels": "rgb", "frames": 6, "fps": float(RATE)}
SHAPES = np.asarray([[12, 3, HEIGHT, WIDTH]] * 4)


def modality(**options) -> VideoModality:
    return VideoModality(VideoOptions(**{**SETTLED, **options}))


def described(one: VideoModality, shapes: np.ndarray = SHAPES) -> Description:
    shape, extra, own = one.describe(shapes)
    return Description(shape, "uint8", len(shapes), {c.name: c for c in own}, extra)


def template(
    one: VideoModality, n: int = 3, start: int = 0, shapes: np.ndarray = SHAPES, **wishes
) -> Batch:
    streams = Streams(0, "template", range(start, start + n))
    return one.template(described(one, shapes), n, streams, VideoRequest(**wishes))


# --- files -----------------------------------------------------------------------------------------------------------


def test_what_is_auto_is_settled_on_the_data(folder):
    one = VideoModality(VideoOptions())
    assert one.fit(one.scan(folder)).settings() == VideoOptions(
        size=(HEIGHT, WIDTH), channels="rgb", frames=12, fps=10.0
    )


def test_what_is_settled_is_left_alone(folder):
    one = modality()
    assert one.fit(one.scan(folder)) is one


@pytest.mark.parametrize("name", ["size", "channels", "frames", "fps"])
def test_what_is_not_settled_is_reported(name):
    one = VideoModality(VideoOptions(**{**SETTLED, name: "auto"}))
    with pytest.raises(DataError, match=f"{name} is still auto"):
        _ = getattr(one, name)


def test_a_folder_of_numbered_frames_is_one_clip_and_its_class_is_the_folder_above(tmp_path):
    save_pictures(tmp_path / "cat" / "a", levels())
    save(tmp_path / "dog" / "b.mp4", levels())
    items = modality().scan(tmp_path)
    assert [(item.path.name, item.columns["class"]) for item in items] == [
        ("a", "cat"),
        ("b.mp4", "dog"),
    ]
    assert [which(modality().read(item)) for item in items] == [list(range(12))] * 2


def test_videos_of_fewer_frames_than_asked_for_are_refused_by_name(tmp_path):
    path = save(tmp_path / "one.mp4", levels(1))
    with pytest.raises(DataError, match=r"one\.mp4 has a single frame, fewer than 2.*--shortest 1"):
        modality().read(Item(path))
    with pytest.raises(DataError, match=r"has 12 frames at 10 frames/s, fewer than 20"):
        modality(shortest=20).read(Item(save(tmp_path / "b.mp4", levels())))


def test_single_pictures_are_clips_of_one_frame_where_they_are_asked_for(tmp_path):
    Image.fromarray(levels(3)[2]).save(tmp_path / "still.png")
    save(tmp_path / "b.mp4", levels())
    assert [item.path.name for item in modality().scan(tmp_path)] == ["b.mp4"]
    one = modality(pictures=True)
    items = one.scan(tmp_path)
    assert [item.path.name for item in items] == ["b.mp4", "still.png"]
    assert which(one.read(items[1])) == [2]
    raw = one.collate([one.read(item) for item in items], Stream(0, "t"))
    assert raw.mask is not None
    assert raw.mask.sum((1, 2, 3, 4)).tolist() == [6, 1]


# --- raw batches -----------------------------------------------------------------------------------------------------


def videos(*lengths: int) -> list[np.ndarray]:
    return [
        np.ascontiguousarray(moving(n, seed=i).transpose(0, 3, 1, 2)) for i, n in enumerate(lengths)
    ]


def test_a_batch_is_of_clips_of_one_length():
    raw = modality().collate(videos(12, 6, 9), Stream(0, "t"))
    assert raw.x.shape == (3, 6, 3, HEIGHT, WIDTH)
    assert raw.x.dtype == torch.uint8
    assert raw.mask is None
    assert raw.cond == {}


def test_short_videos_are_padded_and_masked():
    raw = modality().collate(videos(12, 4), Stream(0, "t"))
    assert raw.mask is not None
    assert raw.mask.shape == (2, 6, 1, 1, 1)
    assert raw.mask.flatten(1).sum(1).tolist() == [6, 4]
    assert not raw.x[1, 4:].any()


def test_the_order_of_frames_is_kept_also_when_mirrored():
    one = modality(flip=True)
    raw = one.collate([levels().transpose(0, 3, 1, 2)] * 8, Stream(0, "t"))
    turned = one.augment(raw, Stream(0, "u"))
    assert all(np.diff(which(x.numpy())).tolist() == [1] * 5 for x in turned.x)


def test_a_mirror_turns_whole_clips_and_half_of_them():
    one = modality(flip=True)
    raw = one.collate(videos(*[6] * 64), Stream(0, "t"))
    turned = one.augment(raw, Stream(0, "u")).x
    mirrored = (turned == raw.x.flip(-1)).flatten(1).all(1)
    assert ((turned == raw.x).flatten(1).all(1) ^ mirrored).all()
    assert 16 < mirrored.sum() < 48
    assert modality().augment(raw, Stream(0, "u")) is raw


def test_a_share_of_batches_is_of_single_frames():
    one = modality(stills=0.3)
    counts = [one.collate(videos(12, 12), Stream(0, "t", step)).x.shape[1] for step in range(300)]
    assert set(counts) == {1, 6}
    assert np.mean(np.asarray(counts) == 1) == pytest.approx(0.3, abs=0.08)


def test_given_frames_are_a_condition_of_the_modality_s_own():
    one = modality(given="ends")
    assert [(c.name, c.kind, c.width) for c in described(one).conditions.values()] == [
        ("given_frames", "channels", 4)
    ]
    raw = one.collate(videos(*[12] * 40), Stream(0, "t"))
    assert raw.cond["given_frames"].shape == (40, 6)
    assert 5 < raw.cond["given_frames"].any(1).sum() < 35


# --- the representation ----------------------------------------------------------------------------------------------


def encoded(given: str = "first") -> tuple[Frames, Batch, Batch]:
    one = modality(given=given)
    raw = one.collate(videos(12, 4, 12), Stream(0, "t"))
    raw = raw.with_cond(
        given_frames=torch.tensor(
            [[1, 1, 0, 0, 0, 0], [1, 0, 0, 0, 0, 0], [0] * 6], dtype=torch.bool
        )
    )
    representation = Frames(None, described(one))
    return representation, raw, representation.encode(raw)


def test_encoding_puts_channels_first_and_keeps_every_byte():
    representation, raw, batch = encoded()
    assert representation.shape == (3, 6, HEIGHT, WIDTH)
    assert batch.x.shape == (3, 3, 6, HEIGHT, WIDTH)
    assert batch.mask is not None
    assert batch.mask.shape == (3, 1, 6, 1, 1)
    torch.testing.assert_close(batch.x[0, :, 3], raw.x[0, 3].float() / 127.5 - 1)
    back = representation.decode(batch.with_x(batch.x))
    assert torch.equal(back.x[raw.mask.expand_as(raw.x)], raw.x[raw.mask.expand_as(raw.x)])


def test_only_given_frames_are_shown_to_the_network():
    _, raw, batch = encoded()
    shown = batch.cond["given_frames"]
    assert shown.shape == (3, 4, 6, HEIGHT, WIDTH)
    assert torch.equal(
        shown[:, 3], raw.cond["given_frames"].float()[:, :, None, None].expand(3, 6, HEIGHT, WIDTH)
    )
    assert torch.equal(shown[0, :3, :2], 2 * batch.x[0, :, :2])
    hidden = ~raw.cond["given_frames"][:, None, :, None, None].expand_as(shown)
    assert not shown[hidden].any()


def test_given_frames_are_known_so_that_they_are_not_made():
    _, raw, batch = encoded()
    assert batch.observed is not None
    assert torch.equal(batch.observed[:, 0, :, 0, 0], raw.cond["given_frames"])


# --- what samples are asked for --------------------------------------------------------------------------------------


def test_a_template_is_as_long_and_large_as_trained_or_as_asked():
    one = modality()
    assert template(one).x.shape == (3, 6, 3, HEIGHT, WIDTH)
    assert template(one).mask is None
    assert template(one, frames=32, size="8x12").x.shape == (3, 32, 3, 8, 12)
    assert one.template(described(one), 2, Streams(0, "t", range(2)), NoOptions()).x.shape == (
        2,
        6,
        3,
        HEIGHT,
        WIDTH,
    )


def test_samples_are_as_long_as_the_data_unless_told_otherwise():
    shapes = np.asarray([[n, 3, HEIGHT, WIDTH] for n in (2, 4, 12, 12)])
    raw = template(modality(), 200, shapes=shapes)
    assert raw.mask is not None
    lengths = raw.mask.flatten(1).sum(1)
    assert lengths.min() >= 2
    assert lengths.max() == 6
    assert template(modality(), frames=5, shapes=shapes).mask is None


def test_first_frames_are_those_of_the_file_and_files_are_taken_in_turn(tmp_path):
    for i in range(3):
        save(tmp_path / "clips" / f"{i}.mkv", levels()[i:], pix_fmt="bgr0")
    raw = template(
        modality(given="first"), 4, start=5, first_frames=str(tmp_path / "clips"), frames=9
    )
    assert [which(x[:3].numpy()) for x in raw.x] == [[i, i + 1, i + 2] for i in (2, 0, 1, 2)]
    assert raw.cond["given_frames"].sum(1).tolist() == [3] * 4
    assert not raw.x[:, 3:].any()


def test_both_ends_are_given_to_be_filled_in_between(tmp_path):
    path = str(save(tmp_path / "a.mkv", levels(), pix_fmt="bgr0"))
    raw = template(modality(given="ends"), 1, first_frames=path, last_frames=path, given=2)
    assert raw.cond["given_frames"][0].int().tolist() == [1, 1, 0, 0, 1, 1]
    assert which(raw.x[0, :2].numpy()) + which(raw.x[0, -2:].numpy()) == [0, 1, 10, 11]


def test_a_picture_can_be_the_first_frame_at_another_size(tmp_path):
    Image.fromarray(levels(3)[2]).save(tmp_path / "a.png")
    raw = template(modality(given="first"), 1, first_frames=str(tmp_path / "a.png"), size="16x16")
    assert raw.cond["given_frames"].sum() == 1
    assert which(raw.x[0, :1].numpy()) == [2]


def test_as_many_are_given_as_there_are_and_as_leave_some_to_be_made(tmp_path):
    path = str(save(tmp_path / "a.mkv", levels(), pix_fmt="bgr0"))
    one = modality(given="first", frames=12)
    assert template(one, 1, first_frames=path).cond["given_frames"].sum() == 6
    assert template(one, 1, first_frames=path, frames=4).cond["given_frames"].sum() == 3
    assert (
        template(one, 1, first_frames=str(save(tmp_path / "b.mkv", levels(2), pix_fmt="bgr0")))
        .cond["given_frames"]
        .sum()
        == 2
    )


def test_with_frames_given_labels_are_left_open_since_those_say_what_is_there(tmp_path):
    path = str(save(tmp_path / "a.mkv", levels(), pix_fmt="bgr0"))
    one = modality(given="first")
    description = described(one)
    known = {"class": LabelColumn("class", ("a", "b"), (1, 1)), "speed": NumberColumn("speed")}
    description = replace(description, conditions={**description.conditions, **known})
    raw = one.template(description, 2, Streams(0, "t", range(2)), VideoRequest(first_frames=path))
    assert raw.cond["class"].tolist() == [-1, -1]
    assert raw.cond["speed"].isnan().all()
    assert set(one.template(description, 2, Streams(0, "t", range(2)), VideoRequest()).cond) == {
        "given_frames"
    }


def test_a_column_of_the_condition_s_name_is_a_column(tmp_path):
    """Where no frames are given, nothing is made of it."""
    one = modality()
    description = replace(described(one), conditions={"given_frames": NumberColumn("given_frames")})
    raw = one.collate(videos(12, 12), Stream(0, "t")).with_cond(
        given_frames=torch.tensor([1.0, 2.0])
    )
    assert torch.equal(
        Frames(None, description).encode(raw).cond["given_frames"], torch.tensor([1.0, 2.0])
    )


def test_samples_have_lengths_that_occur_and_never_that_of_a_picture():
    shapes = np.asarray([[n, 3, HEIGHT, WIDTH] for n in (1, 1, 1, 2, 5, 5, 5)])
    raw = template(modality(pictures=True), 400, shapes=shapes)
    assert raw.mask is not None
    lengths, counts = raw.mask.flatten(1).sum(1).unique(return_counts=True)
    assert lengths.tolist() == [2, 5]
    assert counts[1] / 400 == pytest.approx(0.75, abs=0.08)


def test_without_first_frames_none_are_given():
    assert not template(modality(given="first")).cond["given_frames"].any()


@pytest.mark.parametrize(
    ("given", "wishes", "said"),
    [
        ("none", {"first": True}, r"trained with given = none.*--given first"),
        ("first", {"first": True, "last": True}, r"trained with given = first.*--given ends"),
        ("ends", {"last": True}, "--last-frames goes with --first-frames"),
        ("first", {"given": 2}, "--given goes with --first-frames"),
        (
            "first",
            {"first": True, "given": 6},
            "6 given frames leave none of 6 frames to generate.*--frames 12",
        ),
        (
            "ends",
            {"first": True, "last": True, "given": 3},
            "6 given frames leave none of 6 frames to generate",
        ),
        (
            "ends",
            {"first": True, "last": True, "frames": 2},
            "2 given frames leave none of 2 frames to generate",
        ),
        (
            "first",
            {"first": True, "given": 13, "frames": 20},
            r"a\.mkv has 12 frames at 10 frames/s, fewer than --given 13",
        ),
    ],
    ids=str,
)
def test_frames_that_cannot_be_gone_on_from_are_refused(tmp_path, given, wishes, said):
    path = str(save(tmp_path / "a.mkv", levels(), pix_fmt="bgr0"))
    files = {f"{end}_frames": path for end in ("first", "last") if wishes.pop(end, False)}
    with pytest.raises(UsageError, match=said):
        template(modality(given=given), **files, **wishes)


# --- refining ----------------------------------------------------------------------------------------------------------


def test_what_is_given_to_be_refined_keeps_its_frames_size_at_the_trained_rate(tmp_path):
    save(tmp_path / "a.mp4", moving(12))
    save_pictures(tmp_path / "b", levels(4))
    one = modality(size=8, frames=2, fps=RATE / 2)
    assert one.read_given(Item(tmp_path / "a.mp4")).shape == (6, 3, HEIGHT, WIDTH)
    assert one.read(Item(tmp_path / "a.mp4")).shape == (6, 3, 8, 8)
    assert one.read_given(Item(tmp_path / "b")).shape == (4, 3, HEIGHT, WIDTH)
