"""What the checks of all modalities share: what cannot be used, copies, columns, and where the folder is."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import pytest

from difftool import Item, commonest, parallel, pick_evenly, short_name
from difftool.data.findings import (
    data_root,
    find_columns,
    find_duplicates,
    find_remarks,
    find_size,
    find_unreadable,
)


def item(name: str, **columns: str | float) -> Item:
    return Item(Path("/data") / name, columns)


def texts(findings) -> list[tuple[str, str]]:
    return [(finding.level, finding.text) for finding in findings]


@pytest.mark.parametrize(("count", "n"), [(3, 5), (5, 5), (100, 7)])
def test_evenly_takes_the_first_and_spreads_the_rest(count, n):
    items = [item(str(i)) for i in range(count)]
    some = pick_evenly(items, n)
    places = [int(one.path.name) for one in some]
    assert len(some) == min(count, n)
    assert places[0] == 0
    gaps = {b - a for a, b in pairwise(places)}
    assert max(gaps) - min(gaps) <= 1


def test_parallel_keeps_the_order_and_raises():
    assert parallel(lambda i: i * i, range(100)) == [i * i for i in range(100)]
    with pytest.raises(ZeroDivisionError):
        parallel(lambda i: 1 / i, [1, 0])


def test_commonest():
    assert commonest("abacad") == "a (3), b (1), c (1), d (1)"
    assert commonest("aabbccddeeff", 2) == "a (2), b (2) and 4 more"


def test_the_size_says_when_not_all_were_looked_at():
    items = [item(str(i)) for i in range(1200)]
    assert find_size(items, 1200).text == "1,200 files"
    assert find_size(items, 100).text == "1,200 files (inspected 100 of them, evenly spread)"


def test_the_size_counts_the_examples_where_files_hold_many():
    items = [Item(Path(f"/data/{file}"), {}, part) for file in "ab" for part in range(5)]
    assert find_size(items, 10).text == "10 examples in 2 files"
    assert (
        find_size(items[:5], 3).text == "5 examples in 1 file (inspected 3 of them, evenly spread)"
    )


def test_a_part_of_a_file_is_named_unless_it_is_the_first():
    assert [short_name(Item(Path("/data/a.sdf"), {}, part)) for part in (0, 1)] == [
        "data/a.sdf",
        "data/a.sdf (part 2)",
    ]


def test_remarks_of_one_kind_are_one_line():
    said = [
        (item("a"), ["12 frames of 20"]),
        (item("b"), ["3 frames of 20", "cut short"]),
        (item("c"), []),
    ]
    assert texts(find_remarks(said, "short")) == [
        ("note", "2 (data/a, data/b): such as 12 frames of 20"),
        ("warning", "1 (data/b): cut short"),
    ]


def test_every_unusable_file_is_named():
    reasons = [f"/data/{i} is empty." for i in range(30)]
    ((level, text),) = texts(find_unreadable(reasons, 1000))
    assert level == "warning"
    assert "30 (3.0%)" in text
    assert all(reason in text for reason in reasons)


@pytest.mark.parametrize(
    ("bad", "total", "levels"),
    [
        (0, 5, ["ok"]),
        (0, 1, ["ok", "error"]),
        (1, 2, ["warning", "error"]),
        (1, 3, ["warning"]),
        (10, 12, ["warning"]),
        (11, 100, ["error"]),
        (11, 110, ["warning"]),
        (3, 3, ["error", "error"]),
    ],
)
def test_it_is_an_error_where_training_would_refuse(bad, total, levels):
    assert [level for level, _ in texts(find_unreadable(["x"] * bad, total))] == levels


def test_duplicates():
    same = [(item("a/1"), b"x"), (item("a/2"), b"y")]
    assert texts(find_duplicates(same)) == [("ok", "no duplicates")]
    ((level, text),) = texts(find_duplicates([*same, (item("b/3"), b"x")]))
    assert level == "warning"
    assert text.startswith("1 are copies of others (a/1 = b/3).")
    rare = [(item(str(i)), str(i).encode()) for i in range(200)]
    assert next(find_duplicates([*rare, (item("again"), b"7")])).level == "note"


def test_a_copy_in_another_class_is_worse():
    found = texts(
        find_duplicates(
            [(item("a/1", **{"class": "a"}), b"x"), (item("b/1", **{"class": "b"}), b"x")]
        )
    )
    assert ("warning", "1 of these is in several classes at once.") in found


def columns(**values) -> list[tuple[str, str]]:
    """Findings on rows made of these columns."""
    rows = [dict(zip(values, row, strict=True)) for row in zip(*values.values(), strict=True)]
    return texts(
        find_columns(
            [
                Item(Path(str(i)), {k: v for k, v in row.items() if v is not None})
                for i, row in enumerate(rows)
            ]
        )
    )


def test_columns_are_classes_numbers_or_text():
    n = 60
    found = columns(
        label=["a", "b"] * 30,
        speaker=[1.0, 2.0, 2.0] * 20,
        pitch=[float(i) for i in range(n)],
        caption=[f"text {i}" for i in range(n)],
        same=["x"] * n,
    )
    assert found == [
        ("ok", "column label: 2 classes, 30 of each"),
        (
            "ok",
            "column speaker: 2 classes, from 20 (1) to 40 (2) of each; can be a condition: --set conditions.speaker.use=label",
        ),
        (
            "ok",
            "column pitch: numbers from 0 to 59; can be a condition: --set conditions.pitch.use=number",
        ),
        ("ok", "column caption: text, 60 different values"),
        ("note", "column same: one value for all, so it carries no information"),
    ]


def test_a_label_of_several_lines_takes_one():
    found = columns(label=["a\nb"] * 30 + ["c"] * 2)
    assert not any("\n" in text for _, text in found)
    assert "to 30 (a\\nb) of each" in found[0][1]


def test_what_is_missing_and_what_is_out_of_balance():
    found = columns(label=["a"] * 50 + ["b"] * 2 + [None] * 8)
    assert found[0] == ("ok", "column label: 2 classes, from 2 (b) to 50 (a) of each, 8 without")
    assert found[1][0] == "warning"
    assert "a is 25 times as common as b" in found[1][1]


def test_a_few_numbers_are_numbers_and_a_few_folders_no_classes():
    found = columns(bpm=[120.0, 95.0, 140.5], label=["a", "b", None], take=["x", None, "x"])
    assert found == [
        (
            "ok",
            "column bpm: numbers from 95 to 140.5; can be a condition: --set conditions.bpm.use=number",
        ),
        (
            "ok",
            "column label: text, 2 different values, 1 without; too few examples of each for classes, unless you pass --set conditions.label.use=label",
        ),
        (
            "note",
            "column take: one value for all that have it, 1 without, so it carries no information",
        ),
    ]


def test_no_columns():
    assert columns(nothing=[None, None])[0][0] == "note"


def test_the_folder_that_was_scanned():
    assert data_root(
        [item("in/a/1", **{"class": "in/a"}), item("in/b/1", **{"class": "in/b"})]
    ) == Path("/data")
    assert data_root([item("a/1", **{"class": "a"}), item("top")]) == Path("/data")
    assert data_root([item("a/1", **{"class": "a"}), item("a/2", **{"class": "a"})]) == Path(
        "/data"
    )
    assert data_root([Item(Path("/data/a.sdf"), {}, part) for part in range(3)]) == Path(
        "/data/a.sdf"
    )
    assert data_root([item("1"), item("2")]) == Path("/data")
    assert short_name(item("a/1")) == "a/1"
