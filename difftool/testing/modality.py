"""The contract of a modality, tried on its own demo set and on bad input."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from ..description import Description
from ..errors import DataError
from ..options import NoOptions
from ..rng import Stream, Streams
from .parts import load, registry


def modality_contract(name: str, *, options: dict[str, Any] | None = None) -> type:
    """Tests that a modality of this name keeps what every modality promises."""

    def fresh():
        target, settings = load("modality", name, **(options or {}))
        return target(settings)

    class ModalityContract:
        @pytest.fixture(scope="class")
        def demo(self, tmp_path_factory):
            """The demo set as files, its items, and the modality settled on it."""
            folder = tmp_path_factory.mktemp("demo")
            fresh().demo(folder)
            items = fresh().scan(folder)
            return folder, items, fresh().fit(items)

        def test_the_demo_set_is_deterministic(self, demo, tmp_path):
            fresh().demo(tmp_path)
            theirs = sorted(p.relative_to(demo[0]) for p in demo[0].rglob("*") if p.is_file())
            ours = sorted(p.relative_to(tmp_path) for p in tmp_path.rglob("*") if p.is_file())
            assert ours == theirs
            assert all((tmp_path / p).read_bytes() == (demo[0] / p).read_bytes() for p in ours[::17])

        def test_scanning_is_ordered_and_touches_nothing(self, demo):
            before = sorted((p, p.stat().st_mtime_ns) for p in demo[0].rglob("*"))
            assert fresh().scan(demo[0]) == demo[1]
            assert sorted((p, p.stat().st_mtime_ns) for p in demo[0].rglob("*")) == before

        def test_reading_is_deterministic(self, demo):
            _, items, modality = demo
            for item in items[::101]:
                one, other = modality.read(item), modality.read(item)
                assert one.dtype == other.dtype
                assert np.array_equal(one, other)

        def test_no_option_is_left_open_once_fitted(self, demo):
            _, items, modality = demo
            assert type(modality)(modality.settings()).fit(items).settings() == modality.settings()

        def test_examples_collate_to_a_batch_like_the_template(self, demo):
            _, items, modality = demo
            raw = modality.collate(np.stack([modality.read(item) for item in items[:3]]), Stream(0, "collate"))
            description = _description(modality, items, raw)
            template = modality.template(description, 3, Streams(0, "template", range(3)), _no_request(name))
            assert template.x.dtype == raw.x.dtype
            assert template.x.shape == raw.x.shape

        def test_written_samples_are_read_back_and_never_overwritten(self, demo, tmp_path):
            _, items, modality = demo
            example = modality.read(items[0])
            path = modality.write(example, tmp_path / "a", {"seed": 0})
            content = path.read_bytes()
            assert modality.read(modality.scan(tmp_path)[0]).shape == example.shape
            with pytest.raises(Exception, match=r"exist|overwrit"):
                modality.write(example, tmp_path / "a", {})
            assert path.read_bytes() == content

        def test_a_preview_is_one_file(self, demo, tmp_path):
            _, items, modality = demo
            path = modality.preview([modality.read(item) for item in items[:5]], tmp_path / "sheet", ["a"] * 5)
            assert path.stat().st_size > 0
            assert list(tmp_path.iterdir()) == [path]

        def test_an_empty_folder_and_foreign_files_are_one_clear_error(self, tmp_path):
            with pytest.raises(DataError):
                fresh().scan(tmp_path)
            (tmp_path / "notes.xyz123").write_text("hello")
            with pytest.raises(DataError):
                fresh().scan(tmp_path)

        def test_a_bad_file_is_a_data_error(self, demo, tmp_path):
            _, items, modality = demo
            bad = tmp_path / items[0].path.name
            bad.write_bytes(b"")
            with pytest.raises(DataError, match=bad.name):
                modality.read(type(items[0])(bad))

        def test_it_says_what_a_person_should_know(self, demo):
            _, items, modality = demo
            findings = list(modality.check(items[:200]))
            assert findings
            assert {f.level for f in findings} <= {"ok", "note", "warning", "error"}

    ModalityContract.__name__ = ModalityContract.__qualname__ = f"ModalityContract_{name}"
    return ModalityContract


def _description(modality, items, raw) -> Description:
    shape, extra, _ = modality.describe()
    return Description(shape, str(raw.x.dtype).removeprefix("torch."), len(items), {}, extra)


def _no_request(name: str):
    spec = registry().get("modality", name)
    request = getattr(spec, "request", "")
    if not request:
        return NoOptions()
    from ..spec import load_object

    return load_object(request)()
