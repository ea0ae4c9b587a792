"""scan_folder: what is found, in which order, with which columns, and what is refused."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from difftool import DataError, remarks, scan_folder
from difftool.data import folder as folder_module
from difftool.data.folder import natural

SUFFIXES = (".dat", ".bin")


@pytest.fixture
def make(tmp_path):
    """Write files by relative path; returns the root."""

    def write(*names: str, **texts: str) -> Path:
        for name in names:
            path = tmp_path / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(b"x")
        for name, text in texts.items():
            (tmp_path / name.replace("__", ".")).write_text(text, encoding="utf-8")
        return tmp_path

    return write


def names(root: Path) -> list[str]:
    return [item.path.relative_to(root).as_posix() for item in scan_folder(root, SUFFIXES)]


def columns(root: Path) -> dict[str, dict]:
    return {
        item.path.relative_to(root).as_posix(): dict(item.columns)
        for item in scan_folder(root, SUFFIXES)
    }


def refused(path: Path, *words: str) -> None:
    with pytest.raises(DataError) as caught:
        scan_folder(path, SUFFIXES)
    assert all(word in str(caught.value) for word in words), str(caught.value)


# --- what is found ---------------------------------------------------------------------------------------------------


def test_order_is_natural_and_suffixes_ignore_case(make):
    root = make("10.dat", "2.DAT", "1.bin", "b/2.dat", "b/10.dat", "a/1.Bin", "notes.md")
    assert names(root) == ["1.bin", "2.DAT", "10.dat", "a/1.Bin", "b/2.dat", "b/10.dat"]


def test_order_does_not_depend_on_the_file_system(make, monkeypatch):
    root = make(*(f"{c}/{i}.dat" for c in "cab" for i in range(12)))
    before, entries = names(root), folder_module._entries
    monkeypatch.setattr(folder_module, "_entries", lambda *args: reversed(list(entries(*args))))
    assert names(root) == before


def test_natural_orders_everything_and_settles_ties():
    mixed = ["a", "A", "1", "01", "a1b", "a01b", "a/b", "1/a", "", "é", "٣"]
    backwards = list(reversed(mixed))
    assert sorted(mixed, key=natural) == sorted(backwards, key=natural)


def test_hidden_files_and_folders_are_left_out(make):
    assert names(make("a.dat", ".b.dat", ".git/c.dat", "d/.e/f.dat")) == ["a.dat"]


def test_one_file(make):
    root = make("a/x.dat", "a/y.dat")
    (root / "a/x.txt").write_text("about x")
    (item,) = scan_folder(root / "a/x.dat", SUFFIXES)
    assert item.path == root / "a/x.dat"
    assert item.columns == {"caption": "about x"}


def test_links_are_followed_once_and_never_in_a_circle(make, tmp_path_factory):
    """What lies in the folder is found under its own name; what lies outside of it, under the first link that leads there."""
    root, other = make("a/x.dat"), tmp_path_factory.mktemp("other")
    (other / "y.dat").touch()
    (root / "a/up").symlink_to(root)
    (root / "a/self").symlink_to(root / "a")
    (root / "loop").symlink_to(root / "loop")
    (root / "gone.dat").symlink_to(root / "nowhere")
    (root / "b").symlink_to(root / "a")
    (root / "c").symlink_to(other)
    (root / "d").symlink_to(other)
    assert names(root) == ["a/x.dat", "c/y.dat"]


def test_folders_that_all_link_to_one_another_are_looked_into_once(make):
    folders = [f"f{i:02d}" for i in range(12)]
    root = make(*(f"{name}/x.dat" for name in folders))
    for one in folders:
        for other in folders:
            (root / one / f"to-{other}").symlink_to(root / other)
    assert names(root) == [f"{name}/x.dat" for name in folders]


def test_nothing_is_written(make):
    root = make("a/x.dat", metadata__csv="file_name,n\na/x.dat,1\n")
    before = sorted((p, p.stat().st_mtime_ns) for p in root.rglob("*"))
    scan_folder(root, SUFFIXES)
    assert sorted((p, p.stat().st_mtime_ns) for p in root.rglob("*")) == before


# --- columns ---------------------------------------------------------------------------------------------------------


def test_class_is_the_folder(make):
    assert columns(make("top.dat", "cat/1.dat", "cat/old/2.dat")) == {
        "top.dat": {},
        "cat/1.dat": {"class": "cat"},
        "cat/old/2.dat": {"class": "cat/old"},
    }


def test_caption_beside_the_example(make):
    root = make("a.dat", "b.dat", a__txt="﻿ two words\n", b__txt=" \n")
    assert columns(root) == {"a.dat": {"caption": "two words"}, "b.dat": {}}


def test_text_files_can_be_the_examples(make):
    root = make("a.txt", "b.txt")
    assert [dict(item.columns) for item in scan_folder(root, (".txt",))] == [{}, {}]


def test_csv(make):
    root = make(
        "a.dat", "c/b.dat", "d.dat",
        metadata__csv='file_name,class,size,zip,note\na.dat,x,1e2,01,"one, two"\n./c/b.dat,y,-3,10,\n',
    )  # fmt: skip
    assert columns(root) == {
        "a.dat": {"class": "x", "size": 100.0, "zip": "01", "note": "one, two"},
        "c/b.dat": {"class": "y", "size": -3.0, "zip": "10"},
        "d.dat": {},
    }


def test_an_empty_cell_leaves_the_folders_column(make):
    root = make("c/a.dat", "c/b.dat", metadata__csv="file_name,class\nc/a.dat,\nc/b.dat,other\n")
    assert columns(root) == {"c/a.dat": {"class": "c"}, "c/b.dat": {"class": "other"}}


def test_jsonl(make):
    root = make(
        "a.dat",
        "b.dat",
        metadata__jsonl='{"file_name": "a.dat", "n": 3, "t": "x", "ok": true, "box": [1, 2]}\n\n{"file_name": "b.dat", "n": null}\n',
    )
    assert columns(root) == {
        "a.dat": {"n": 3.0, "t": "x", "ok": "true", "box": "[1, 2]"},
        "b.dat": {},
    }


def test_metadata_of_any_folder_and_the_nearer_one_wins(make):
    root = make(
        "a.dat",
        "train/b.dat",
        "train/deep/c.dat",
        metadata__csv="file_name,label,n\na.dat,top,1\ntrain/b.dat,top,2\n",
    )
    (root / "train" / "metadata.csv").write_text("file_name,label\nb.dat,near\ndeep/c.dat,far\n")
    assert columns(root) == {
        "a.dat": {"label": "top", "n": 1.0},
        "train/b.dat": {"label": "near", "n": 2.0},
        "train/deep/c.dat": {"label": "far"},
    }
    (root / "train" / "metadata.jsonl").touch()
    refused(root, "train holds both metadata.csv and metadata.jsonl")


def test_metadata_wins_over_caption(make):
    root = make("a.dat", a__txt="file", metadata__csv="file_name,caption\na.dat,table\n")
    assert columns(root) == {"a.dat": {"caption": "table"}}


@pytest.mark.parametrize(
    ("cells", "numeric"),
    [
        ("1 2", True),
        ("1.5 -2e3", True),
        ("1 x", False),
        ("007 8", False),
        ("1_0 2", False),
        ("nan 1", False),
        ("inf 1", False),
        ("0 0.5", True),
    ],
)
def test_which_columns_are_numbers(make, cells, numeric):
    a, b = cells.split()
    root = make("a.dat", "b.dat", metadata__csv=f"file_name,v\na.dat,{a}\nb.dat,{b}\n")
    assert all(isinstance(row["v"], float) == numeric for row in columns(root).values())


# --- what is refused -------------------------------------------------------------------------------------------------


def test_missing(tmp_path):
    refused(tmp_path / "no", "does not exist")


def test_empty(tmp_path):
    refused(tmp_path, "is empty", ".dat .bin")


def test_only_broken_links(tmp_path):
    (tmp_path / "a.dat").symlink_to(tmp_path / "nowhere")
    refused(tmp_path, "1 links lead to files that do not exist")


def test_only_foreign_files(make):
    refused(make("a.doc", "b.doc", "README"), "2 .doc", "1 without a suffix", ".dat .bin")


def test_a_single_foreign_file(make):
    refused(make("a.doc") / "a.doc", "does not have a supported format", ".dat .bin")


@pytest.mark.skipif(
    not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root may read anything"
)
def test_unreadable_folder(make):
    root = make("a/x.dat", "b/x.dat")
    (root / "a").chmod(0)
    try:
        refused(root, "cannot be read", "a")
    finally:
        (root / "a").chmod(0o755)


def test_unreadable_folder_by_the_systems_word(make, monkeypatch):
    root = make("a/x.dat")

    def denied(path):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(folder_module.os, "scandir", denied)
    refused(root, "cannot be read", "Permission denied")


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("name,x\na.dat,1\n", ["file_name", "name, x"]),
        ("", ["file_name"]),
        ("file_name,x,x\na.dat,1,2\n", ["no column twice"]),
        ("file_name,x\na.dat,1\na.dat,2\n", ["line 3", "has two rows"]),
        ("file_name,x\nz.dat,1\n", ["1 file that is", "z.dat (line 2)"]),
        ("file_name,x\na.doc,1\n", ["a.doc", "not a supported format"]),
        ("file_name,x\n../a.dat,1\n", ["../a.dat"]),
        ("file_name,x\na.dat,1,2\n", ["line 2", "3 cells under 2 columns"]),
        ("file_name,x\n,1\n", ["line 2", "file_name is missing"]),
        ('file_name,x\na.dat,"1\n', ["not valid CSV"]),
    ],
)
def test_faulty_csv(make, text, words):
    refused(make("a.dat", "a.doc", metadata__csv=text), "metadata.csv", *words)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("{", ["line 1", "not JSON"]),
        ("[1]", ["line 1", "not a JSON object"]),
        ('{"x": 1}', ["line 1", "file_name is missing"]),
        ('{"file_name": 3}', ["line 1", "file_name is missing"]),
    ],
)
def test_faulty_jsonl(make, text, words):
    refused(make("a.dat", metadata__jsonl=text), "metadata.jsonl", *words)


@pytest.mark.parametrize(
    ("encoding", "said"),
    [("latin-1", "Windows-1252"), ("utf-16", ""), ("utf-8-sig", ""), ("utf-32", "")],
)
@pytest.mark.parametrize("name", ["metadata.csv", "a.txt"])
def test_text_in_any_encoding(make, name, encoding, said):
    root = make("a.dat")
    (root / name).write_bytes(
        ("file_name,x\na.dat,é\n" if name == "metadata.csv" else "é").encode(encoding)
    )
    with remarks() as heard:
        (item,) = scan_folder(root, (".dat",))
    assert dict(item.columns) == ({"x": "é"} if name == "metadata.csv" else {"caption": "é"})
    assert [said in text and name in text for text in heard] == [True] * bool(said)


def test_a_table_that_contradicts_its_mark(make):
    root = make("a.dat")
    (root / "metadata.csv").write_bytes(b"\xff\xfea")
    refused(root, "metadata.csv", "utf-16", "UTF-8")


# --- names in tables and on the disk ---


def test_a_table_may_name_files_by_their_absolute_paths(make):
    root = make("a.dat", "b/1.dat")
    (root / "metadata.csv").write_text(f"file_name,x\n{root / 'a.dat'},1\n{root}/b/1.dat,2\n")
    assert columns(root) == {"a.dat": {"x": 1.0}, "b/1.dat": {"class": "b", "x": 2.0}}


def test_a_file_elsewhere_is_missing_and_one_that_is_skipped_is_not_of_another_format(make):
    root = make("data/a.dat", "b.dat", "data/.c.dat")
    (root / "data" / "metadata.csv").write_text(
        f"file_name,x\n{root / 'b.dat'},1\n.c.dat,2\nd.dat,3\n"
    )
    refused(
        root / "data",
        f"{root / 'b.dat'} (line 2",
        ".c.dat (line 3, it is skipped)",
        "d.dat (line 4)",
    )


@pytest.mark.parametrize(("disk", "table"), [("\u00e9", "e\u0301"), ("e\u0301", "\u00e9")])
def test_a_name_in_another_spelling_is_the_same_name(make, disk, table):
    root = make(f"{disk}/{disk}.dat")
    (root / "metadata.csv").write_text(f"file_name,x\n{table}/{table}.dat,1\n", encoding="utf-8")
    (root / disk / f"{table}.txt").write_text("words", encoding="utf-8")
    (item,) = scan_folder(root, SUFFIXES)
    assert dict(item.columns) == {"class": "\u00e9", "x": 1.0, "caption": "words"}


def test_a_name_that_is_not_utf8_is_a_class_and_is_found_in_a_table(make):
    root = make("a.dat")
    os.mkdir(os.fsencode(root) + b"/caf\xe9")
    (root / os.fsdecode(b"caf\xe9") / os.fsdecode(b"\xe9.dat")).write_bytes(b"x")
    (root / "metadata.csv").write_text("file_name,x\ncafé/é.dat,1\n", encoding="latin-1")
    assert [dict(item.columns) for item in scan_folder(root, SUFFIXES)] == [
        {},
        {"class": "café", "x": 1.0},
    ]


def test_halves_of_letters_in_json_are_marked_and_not_kept(make):
    row = {"file_name": "a.dat", "x": "a\ud800", "y": ["\udc80"], "z\ud800": "\U0001f408"}
    root = make("a.dat", metadata__jsonl=json.dumps(row))
    assert columns(root) == {"a.dat": {"x": "a\ufffd", "y": '["\ufffd"]', "z\ufffd": "\U0001f408"}}


def test_rows_of_empty_cells_are_no_rows(make):
    root = make("a.dat", metadata__csv="file_name,x\na.dat,1\n,\n\n , \n")
    assert columns(root) == {"a.dat": {"x": 1.0}}


def test_a_cell_may_be_as_long_as_a_caption(make):
    caption = "word " * 40_000
    root = make("a.dat", metadata__csv=f"file_name,caption\na.dat,{caption}\n")
    assert columns(root) == {"a.dat": {"caption": caption}}


def test_a_caption_that_cannot_be_read_is_left_out_by_itself(make):
    root = make("a.dat", "b.dat", "c.dat")
    (root / "a.txt").write_text("fine")
    (root / "b.txt").write_bytes(b"\xff\xfe\x00\xd8\x00")  # begins as UTF-16, and is none
    with open(root / "c.txt", "wb") as file:
        file.truncate(1 << 40)
    with remarks() as said:
        items = scan_folder(root, (".dat",))
    assert [dict(item.columns) for item in items] == [{"caption": "fine"}, {}, {}]
    assert [("b.txt" in text, "c.txt" in text) for text in said] == [(True, False), (False, True)]


# --- what is not read ---


def scanned(root) -> tuple[list[str], str]:
    """The names that are read, relative to the root, and all that is remarked on."""
    with remarks() as said:
        items = scan_folder(root, (".dat",))
    return [item.path.relative_to(root).as_posix() for item in items], "\n".join(said)


def test_files_of_other_kinds_are_counted(make):
    names, said = scanned(
        make("a.dat", "a.txt", "b.HEIC", "c.heic", "README", metadata__csv="file_name,y\na.dat,1")
    )
    assert names == ["a.dat"]
    assert "2 .heic" in said
    assert "1 without a suffix" in said
    assert ".txt" not in said
    assert ".dat" in said.partition("to one of these formats")[2]


def test_what_an_extra_would_read_says_which(make):
    ways = {".heic": "pip install it[heif]", ".jxl": "pip install it[jxl]"}
    with remarks() as said:
        scan_folder(make("a.dat", "b.HEIC", "c.heic"), (".dat",), installable=ways)
    (text,) = said
    assert "To use them, pip install it[heif]; or convert them" in text
    assert "jxl" not in text


@pytest.mark.parametrize("name", ["labels.csv", "metadata.json", "metadata.parquet"])
def test_a_table_of_another_name_is_named(make, name):
    _, said = scanned(make("a.dat", **{name.replace(".", "__"): "file_name,x"}))
    assert name in said
    assert "metadata.csv" in said


def test_metadata_in_capitals(make):
    (item,) = scan_folder(make("a.dat", Metadata__CSV="file_name,x\na.dat,7\n"), (".dat",))
    assert dict(item.columns) == {"x": 7.0}


def test_nothing_is_said_where_all_is_read(make):
    assert scanned(make("a.dat", "b/c.dat", "a.txt")) == (["a.dat", "b/c.dat"], "")


# --- layouts ---


def test_splits_are_not_classes(make):
    root = make("train/cat/a.dat", "train/dog/b.dat", "val/cat/c.dat", "Test/dog/d.dat")
    with remarks() as said:
        items = scan_folder(root, (".dat",))
    assert [(item.path.name, dict(item.columns)) for item in items] == [
        ("a.dat", {"class": "cat"}),
        ("b.dat", {"class": "dog"}),
    ]
    assert "val (1)" in said[0]
    assert "Test (1)" in said[0]


def test_splits_without_classes(make):
    names, said = scanned(make("train/a.dat", "test/b.dat"))
    assert names == ["train/a.dat"]
    assert "held out" in said


@pytest.mark.parametrize(
    "files",
    [
        ("train/a.dat", "car/b.dat"),
        ("train/a.dat", "c.dat"),
        ("val/a.dat", "test/b.dat"),
        ("train/a.dat",),
    ],
)
def test_folders_that_only_look_like_splits(make, files):
    names, said = scanned(make(*files))
    assert names == sorted(files, key=lambda name: ("/" not in name, name)) or set(names) == set(
        files
    )
    assert "split" not in said


@pytest.mark.parametrize(
    "inside", [("config.toml", "description.json"), ("cascade.toml",), (".difftool",)]
)
def test_what_difftool_made_is_not_data(make, inside):
    root = make(
        "a.dat",
        "runs/x/b.dat",
        "runs/x/samples/1/c.dat",
        "runs/x-sheet.dat",
        *(f"runs/x/{name}" for name in inside),
    )
    names, said = scanned(root)
    assert names == ["a.dat"]
    assert "runs/x" in said


def test_a_folder_of_samples_can_be_read_itself(make):
    assert scanned(make("a.dat", ".difftool")) == (["a.dat"], "")


def test_two_metadata_files(make):
    refused(make("a.dat", "metadata.csv", "metadata.jsonl"), "both")


def test_folders_are_no_classes_where_metadata_has_labels(tmp_path):
    for folder in ("new", "old"):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "a.dat").touch()
    (tmp_path / "metadata.csv").write_text("file_name,label\nold/a.dat,cat\nnew/a.dat,dog\n")
    assert [dict(item.columns) for item in scan_folder(tmp_path, (".dat",))] == [
        {"label": "dog"},
        {"label": "cat"},
    ]


def series(names) -> bool:
    return len(names) >= 2 and all(name.endswith(".part") for name in names)


def whole(root: Path) -> dict[str, dict]:
    return {
        item.path.relative_to(root).as_posix(): dict(item.columns)
        for item in scan_folder(root, SUFFIXES, whole=series)
    }


def test_a_folder_may_be_one_example(make):
    root = make(
        "a/1.part",
        "a/2.part",
        "b/x/1.part",
        "b/x/2.part",
        "b/y.dat",
        "c/1.part",
        "c/notes.txt",
        "c/z.dat",
    )
    assert whole(root) == {
        "a": {},
        "b/x": {"class": "b"},
        "b/y.dat": {"class": "b"},
        "c/z.dat": {"class": "c"},
    }
    assert columns(root) == {"b/y.dat": {"class": "b"}, "c/z.dat": {"class": "c"}}


def test_so_may_the_folder_that_is_scanned(make):
    root = make("1.part", "2.part")
    assert [(item.path, item.columns) for item in scan_folder(root, SUFFIXES, whole=series)] == [
        (root, {})
    ]


def test_captions_and_metadata_know_a_folder_by_its_name(make):
    root = make("a/1.part", "a/2.part", "b/1.part", "b/2.part", "metadata.csv", "a.txt")
    (root / "metadata.csv").write_text("file_name,colour\nb,red\n")
    (root / "a.txt").write_text("the first")
    assert whole(root) == {"a": {"caption": "the first"}, "b": {"colour": "red"}}


def test_a_folder_that_is_one_example_holds_no_others(make):
    root = make("a/1.part", "a/2.part", "a/b/c.dat")
    with pytest.raises(
        DataError, match=r"/a has the file names of a single example.* holds folders, such as b"
    ):
        whole(root)


def test_the_caption_of_a_folder_goes_by_its_whole_name(make):
    root = make("take.1/1.part", "take.1/2.part")
    (root / "take.1.txt").write_text("the first")
    (root / "take.txt").write_text("another")
    assert whole(root) == {"take.1": {"caption": "the first"}}
