"""Archives as data: unpacked once into the cache, by the conventions of folders, and never trusted."""

from __future__ import annotations

import io
import json
import os
import stat
import tarfile
import zipfile
from pathlib import Path

import pytest

from difftool import scan_folder
from difftool.data.locate import locate, source_for
from difftool.data.remark import remarks
from difftool.errors import ConfigError, DataError, PluginError
from difftool.plugin.registry import Registry
from difftool.plugin.spec import SourceSpec
from difftool.sources.options import ArchiveOptions

REGISTRY = Registry.load_all()


@pytest.fixture(autouse=True)
def cache(tmp_path_factory, monkeypatch):
    folder = tmp_path_factory.mktemp("cache")
    monkeypatch.setenv("DIFFTOOL_CACHE", str(folder))
    return folder


def tar(path: Path, files: dict[str, bytes | tarfile.TarInfo], mode: str = "w") -> Path:
    with tarfile.open(path, mode) as archive:
        for name, content in files.items():
            if isinstance(content, tarfile.TarInfo):
                archive.addfile(content)
            else:
                info = tarfile.TarInfo(name)
                info.size = len(content)
                archive.addfile(info, io.BytesIO(content))
    return path


def zipped(path: Path, files: dict[str, bytes]) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return path


def link(name: str, target: str, kind: bytes = tarfile.SYMTYPE) -> tarfile.TarInfo:
    info = tarfile.TarInfo(name)
    info.type, info.linkname = kind, target
    return info


def found(path: Path | str, **options) -> tuple[dict[str, dict], list[str]]:
    """Items by name with their columns, and the remarks."""
    use = "archive" if options else "auto"
    with remarks() as said:
        folder = locate(str(path), REGISTRY, use, ArchiveOptions(**options) if options else None)
        items = scan_folder(folder, [".dat"])
    return {item.path.relative_to(folder).as_posix(): dict(item.columns) for item in items}, said


@pytest.mark.parametrize("suffix", ["zip", "tar", "tar.gz", "tgz", "tar.xz"])
def test_an_archive_reads_as_the_folder_that_was_packed(tmp_path, suffix):
    files = {"photos/cat/a.dat": b"1", "photos/cat/a.txt": b"a cat", "photos/dog/b.dat": b"2"}
    path = tmp_path / f"photos.{suffix}"
    mode = {"tar.gz": "w:gz", "tgz": "w:gz", "tar.xz": "w:xz"}.get(suffix, "w")
    zipped(path, files) if suffix == "zip" else tar(path, files, mode)
    items, said = found(path)
    assert items == {
        "cat/a.dat": {"class": "cat", "caption": "a cat"},
        "dog/b.dat": {"class": "dog"},
    }
    assert not said


def test_it_is_unpacked_once_and_anew_when_it_changes(tmp_path, cache):
    path = zipped(tmp_path / "a.zip", {"a.dat": b"1"})
    first = locate(str(path), REGISTRY)
    made = os.stat(first / "a.dat").st_mtime_ns
    assert os.stat(locate(str(path), REGISTRY) / "a.dat").st_mtime_ns == made
    assert first.is_relative_to(cache)
    zipped(path, {"a.dat": b"1", "b.dat": b"2"})
    assert {p.name for p in locate(str(path), REGISTRY).iterdir()} == {"a.dat", "b.dat"}
    assert sorted(p.name for p in tmp_path.iterdir()) == ["a.zip"]


def test_shards_are_one_set_whose_sidecars_become_columns(tmp_path):
    tar(
        tmp_path / "s-00.tar",
        {
            "0001.dat": b"1",
            "0001.json": json.dumps({"age": 3, "tags": ["x"]}).encode(),
            "0001.txt": b"first",
            "0001.cls": b"7",
        },
    )
    tar(tmp_path / "s-01.tar", {"0002.dat": b"2", "0002.json": b'{"age": 4}'})
    items, _ = found(f"{tmp_path}/s-{{00..01}}.tar")
    assert items == {
        "0001.dat": {"age": 3, "label": "7", "caption": "first"},
        "0002.dat": {"age": 4},
    }
    assert found(tmp_path)[0] == items  # a folder that holds nothing but tar files


@pytest.mark.parametrize("encoding", ["latin-1", "utf-8-sig", "utf-16"])
def test_sidecars_may_have_any_encoding(tmp_path, encoding):
    files = {"1.dat": b"1", "1.cls": "é".encode(encoding), "1.json": '{"a": "ü"}'.encode(encoding)}
    assert found(tar(tmp_path / "s.tar", files))[0] == {"1.dat": {"a": "ü", "label": "é"}}


def test_names_that_shards_share_are_kept_apart(tmp_path):
    for shard in (0, 1):
        tar(tmp_path / f"s-{shard}.tar", {"0001.dat": b"%d" % shard, "0001.txt": b"of %d" % shard})
    assert found(tmp_path)[0] == {
        "0001.dat": {"caption": "of 0"},
        "s-1-0001.dat": {"caption": "of 1"},
    }


def test_a_missing_shard_is_named(tmp_path):
    tar(tmp_path / "s-0.tar", {"a.dat": b"1"})
    with pytest.raises(
        DataError, match=r"s-1.tar does not exist. Pass an archive, or shards such as"
    ):
        found(f"{tmp_path}/s-{{0..2}}.tar")


def test_a_json_file_that_is_no_table_of_columns_is_left_as_it_is(tmp_path):
    path = zipped(tmp_path / "a.zip", {"a.dat": b"1", "a.json": b"[1, 2]", "b.json": b"{}"})
    found(path)
    assert {p.name for p in locate(str(path), REGISTRY).iterdir()} == {"a.dat", "a.json", "b.json"}


# --- what is not to be trusted -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "name", ["../out.dat", "/out.dat", "a/../../out.dat", "..\\out.dat", "C:/out.dat", "a/.."]
)
@pytest.mark.parametrize("kind", ["zip", "tar"])
def test_no_entry_leaves_the_folder(tmp_path, name, kind):
    files = {name: b"bad", "good.dat": b"1"}
    path = zipped(tmp_path / "a.zip", files) if kind == "zip" else tar(tmp_path / "a.tar", files)
    items, said = found(path)
    assert list(items) == ["good.dat"]
    assert "leads out of the folder" in said[0]
    assert list(tmp_path.rglob("*")) == [path]


@pytest.mark.parametrize("kind", [tarfile.SYMTYPE, tarfile.LNKTYPE])
def test_links_are_left_out_and_nothing_is_written_through_one(tmp_path, kind):
    (tmp_path / "secret.dat").write_bytes(b"secret")
    files = {
        "l": link("l", str(tmp_path)),
        "f.dat": link("f.dat", str(tmp_path / "secret.dat"), kind),
        "l/new.dat": b"2",
        "good.dat": b"1",
    }
    items, said = found(tar(tmp_path / "a.tar", files))
    assert set(items) == {"good.dat", "l/new.dat"}
    assert "'f.dat' (it is a link)" in said[0]
    assert not (tmp_path / "new.dat").exists()


def test_links_and_devices_in_zip_and_tar_are_named(tmp_path):
    path = tmp_path / "a.zip"
    with zipfile.ZipFile(path, "w") as archive:
        info = zipfile.ZipInfo("f.dat")
        info.external_attr = (stat.S_IFLNK | 0o777) << 16
        archive.writestr(info, "/etc/passwd")
        archive.writestr("good.dat", "1")
    items, said = found(path)
    assert list(items) == ["good.dat"]
    assert "'f.dat' (it is a link)" in said[0]
    device = tarfile.TarInfo("null.dat")
    device.type = tarfile.CHRTYPE
    assert (
        "it is not a plain file"
        in found(tar(tmp_path / "b.tar", {"null.dat": device, "good.dat": b"1"}))[1][0]
    )


def test_a_bomb_is_refused_and_nothing_of_it_is_kept(tmp_path, cache, monkeypatch):
    monkeypatch.setattr("difftool.sources.archive.GIGABYTE", 10**6)
    path = zipped(tmp_path / "a.zip", {"a.dat": bytes(5 * 10**6)})
    with pytest.raises(
        DataError,
        match=r"a.zip unpacks to more than 100 times its own size \(source.max_ratio\). Raise this setting",
    ):
        found(path)
    with pytest.raises(DataError, match=r"more than 2 GB \(source.max_size\)"):
        found(path, max_ratio=10_000, max_size=2)
    assert list((cache / "sources").iterdir()) == []
    assert list(found(path, max_ratio=10_000)[0]) == ["a.dat"]


def test_too_many_files_are_refused(tmp_path):
    path = zipped(tmp_path / "a.zip", {f"{i}.dat": b"" for i in range(5)})
    with pytest.raises(DataError, match=r"holds more than 4 files. Raise source.max_files"):
        found(path, max_files=4)


@pytest.mark.parametrize("suffix", ["zip", "tar", "tar.gz"])
@pytest.mark.parametrize(
    "damage",
    [lambda b: b"", lambda b: b"junk" * 500, lambda b: b[: len(b) // 2]],
    ids=["empty", "junk", "cut"],
)
def test_a_damaged_archive_is_named(tmp_path, suffix, damage):
    path = tmp_path / f"a.{suffix}"
    files = {f"{i}.dat": os.urandom(5000) for i in range(5)}
    zipped(path, files) if suffix == "zip" else tar(
        path, files, "w:gz" if suffix == "tar.gz" else "w"
    )
    path.write_bytes(damage(path.read_bytes()))
    with pytest.raises(
        DataError, match=r"a\.[a-z.]+ cannot be read as an archive|Nothing in|is empty"
    ):
        found(path)


# --- which source takes a path --------------------------------------------------------------------------------------------


def test_folders_and_plain_files_are_used_where_they_are(tmp_path):
    assert locate(str(tmp_path), REGISTRY) == tmp_path
    assert source_for(str(tmp_path / "a.dat"), REGISTRY).name == "folder"
    assert source_for("S-{0..3}.TAR", REGISTRY).name == "archive"


def test_two_sources_for_one_path_are_named():
    from fakes import fake_registry, hooks, plugin

    registry = fake_registry()
    registry.add(
        plugin("z", "zipper", "1"),
        lambda: hooks(sources=[SourceSpec("zipper", "", "math:pi", patterns=("*.zip",))]),
    )
    with pytest.raises(
        PluginError,
        match=r"can be read by 'archive' of difftool 0.1.0 and 'zipper' of zipper 1. Choose one",
    ):
        source_for("a.zip", registry)


def test_limits_are_settings_of_the_archive_source_alone(tmp_path):
    from difftool.config import flag_layer, resolve

    with pytest.raises(ConfigError, match=r"source.max_files is unknown"):
        resolve("image", [flag_layer(sets=["source.max_files=3"])], REGISTRY)
    chosen = resolve(
        "image", [flag_layer(sets=["source.use=archive", "source.max_files=3"])], REGISTRY
    )
    assert chosen.source.to_dict()["max_files"] == 3


@pytest.mark.slow
def test_an_archive_is_checked_and_trained_on_from_the_command_line(tmp_path, monkeypatch, capfd):
    import numpy as np
    from PIL import Image

    from difftool.cli import main

    monkeypatch.chdir(tmp_path)
    files = {"../evil.png": b"no"}
    for i in range(6):
        out = io.BytesIO()
        Image.fromarray(np.full((8, 8, 3), 40 * i, np.uint8)).save(out, "PNG")
        files[f"x/{'cat' if i % 2 else 'dog'}/{i}.png"] = out.getvalue()
    zipped(tmp_path / "x.zip", files)
    brief = [
        "--steps=1",
        "--set=train.preview=0",
        "--set=train.batch=2",
        "--set=backbone.channels=8",
        "--set=backbone.blocks=1",
    ]
    for words, said in (
        (["data", "check", "-m", "image"], "difftool train -m image x.zip"),
        (["train", *brief, "-m", "image"], "6 examples from"),
    ):
        with pytest.raises(SystemExit) as leaving:
            main([*words, "x.zip"])
        told = "".join(capfd.readouterr())
        assert not leaving.value.code, told
        assert said in told
        assert "'../evil.png' (its path leads out of the folder)" in told
    assert (tmp_path / "runs/x/model.safetensors").is_file()
