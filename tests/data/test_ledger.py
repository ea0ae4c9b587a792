"""The ledger of data: every file with its hash, and what it and its metadata say of rights."""

from __future__ import annotations

import hashlib

import numpy as np
import pytest
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from difftool import Item
from difftool.data.ledger import Entry, as_table, from_table, ledger
from difftool_image.modality import ImageModality
from difftool_image.options import ImageOptions

MODALITY = ImageModality(ImageOptions())


@pytest.fixture
def folder(tmp_path):
    """Pictures that say their rights in EXIF, in a text, in metadata, and not at all."""
    picture = Image.fromarray(np.zeros((8, 8, 3), np.uint8))
    exif = Image.Exif()
    exif[0x8298], exif[0x013B] = "(c) Ada", "Ada Lovelace"
    picture.save(tmp_path / "a.jpg", exif=exif)
    texts = PngInfo()
    texts.add_text("License", "CC-BY-4.0")
    picture.save(tmp_path / "b.png", pnginfo=texts)
    picture.save(tmp_path / "c.png")
    (tmp_path / "d.png").write_bytes(b"no picture")
    (tmp_path / "metadata.csv").write_text(
        "file_name,license,url\nc.png,CC0,https://example.org/c\n"
    )
    (tmp_path / "LICENSE.txt").write_text("All of it is CC0.")
    return tmp_path


def test_files_their_hashes_and_their_rights(folder):
    found = {one.file: one for one in ledger(MODALITY, MODALITY.scan(folder), folder)}
    assert sorted(found) == ["LICENSE.txt", "a.jpg", "b.png", "c.png", "d.png"]
    for name, entry in found.items():
        content = (folder / name).read_bytes()
        assert entry.sha256 == hashlib.sha256(content).hexdigest()
        assert entry.bytes == len(content)
    assert (found["a.jpg"].copyright, found["a.jpg"].author) == ("(c) Ada", "Ada Lovelace")
    assert found["b.png"].licence == "CC-BY-4.0"
    assert (found["c.png"].licence, found["c.png"].source) == ("CC0", "https://example.org/c")
    assert found["d.png"].licence == "", "what cannot be read says nothing, and is listed"
    assert found["LICENSE.txt"].examples == 0


def test_a_file_of_many_examples_is_one_entry_and_a_folder_of_frames_is_one_too(tmp_path):
    (tmp_path / "all.bin").write_bytes(b"many")
    (tmp_path / "clip").mkdir()
    for i in range(3):
        (tmp_path / "clip" / f"{i}.png").write_bytes(bytes([i]))
    items = [Item(tmp_path / "all.bin", part=i) for i in range(5)] + [Item(tmp_path / "clip")]

    class Silent:
        def rights(self, path):
            return {}

    many, clip = ledger(Silent(), items, tmp_path)
    assert (many.examples, many.bytes) == (5, 4)
    assert (clip.examples, clip.bytes) == (1, 3)
    assert clip.sha256 == hashlib.sha256(bytes([0, 1, 2])).hexdigest()


def test_a_ledger_is_read_as_it_was_written_and_other_tables_are_refused():
    entries = [Entry("a, b\n.png", 1, 9, "00", 'say "no"')]
    assert from_table(as_table(entries)) == entries
    with pytest.raises(ValueError, match="not a ledger"):
        from_table("step,loss\n1,2\n")
