"""The contract of a modality, tested on its demo set and on bad input."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from ..assemble import build_stage, open_dataset
from ..batch import Batch
from ..config import gather, resolve
from ..data.cache import cache_root
from ..data.inspect import ArrayInspection, inspect
from ..description import Description
from ..engine.device import choose_device
from ..engine.fit import fit
from ..engine.folder import RunFolder
from ..engine.generate import generate
from ..engine.sample_request import SampleRequest
from ..errors import DataError, UsageError
from ..modality import Finding, Item, Modality
from ..options import NoOptions, Options
from ..plugin.spec import load_object
from ..rng import Stream, Streams
from .parts import load, named, needs_no_torch, registry

BRIEF = (
    "train.steps=2",
    "train.batch=2",
    "train.accumulate=1",
    "train.preview=2",
    "sample.steps=2",
    'train.device="cpu"',
    'train.precision="fp32"',
)


Demo = tuple[Path, Sequence[Item], Modality]
"""The folder of the demo set, its items, and the fitted modality."""

SEED = 20261128
"""Written into the provenance of samples, and searched for in their files."""


def modality_contract(
    name: str,
    *,
    options: dict[str, Any] | None = None,
    sets: Sequence[str] = (),
    data: Callable[[Path], None] | None = None,
    loss: float = 0.01,
    request: Mapping[str, Any] | None = None,
) -> type:
    """Tests that check a modality against its contract.

    Args:
        options: settings of the modality that make it small.
        sets: settings of any part, as for ``--set``, that make its default recipe small enough to
            train for two steps.
        data: writes a data set into an empty folder, for a modality without a demo set. It must be
            deterministic.
        loss: largest change of an example by writing it: the root mean square of the error,
            relative to the standard deviation. Compressed formats may need more than the default.
        request: the modality's own flags of ``sample`` with values other than the defaults, to test
            that each of them changes samples or their files.
    """

    def fresh() -> Modality:
        target, settings = load("modality", name, **(options or {}))
        return target(settings)

    if data is None and type(fresh()).demo is Modality.demo:
        raise UsageError(f"modality_contract needs data for {name!r}, which has no demo set")

    def fill(folder: Path) -> None:
        data(folder) if data else fresh().demo(folder)

    def report(items: Sequence[Item]) -> list[Finding]:
        spec = registry().modality(name)
        return list(inspect(name, fresh(), items, registry().inspection(spec) or ArrayInspection))

    class ModalityContract:
        @pytest.fixture(scope="class")
        @classmethod
        def demo(cls, tmp_path_factory: pytest.TempPathFactory) -> Demo:
            """The folder of the demo set (or ``data``), its items, and the fitted modality."""
            folder = tmp_path_factory.mktemp("demo")
            fill(folder)
            items = fresh().scan(folder)
            return folder, items, fresh().fit(items)

        @pytest.fixture
        def cache(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
            monkeypatch.setenv("DIFFTOOL_CACHE", str(tmp_path / "cache"))
            return cache_root()

        def test_what_it_works_with_is_installed(self) -> None:
            spec = registry().modality(name)
            assert spec.representations, "name the representations that take its raw data"
            for metric in spec.metrics:  # not loaded: its requirements may be optional
                registry().get("metric", metric)
            for representation in spec.representations:
                registry().load(registry().get("representation", representation))
            for use, recipe in _recipes(name):
                resolve(use, gather(registry(), use, recipe, project=None), registry())

        def test_its_options_need_no_torch(self) -> None:
            """difftool imports them to print help and to check a configuration."""
            assert needs_no_torch("modality", name)

        def test_the_demo_set_is_deterministic(self, tmp_path: Path) -> None:
            if type(fresh()).demo is Modality.demo:
                pytest.skip("there is no demo set")
            (one := tmp_path / "one").mkdir()
            (other := tmp_path / "other").mkdir()
            for folder in (one, other):
                fresh().demo(folder)
            assert _files(one), "demo writes no file"
            assert _files(one) == _files(other)
            assert all((one / p).read_bytes() == (other / p).read_bytes() for p in _files(one)[::7])

        def test_scanning_is_ordered_and_touches_nothing(self, demo: Demo) -> None:
            before = sorted((p, p.stat().st_mtime_ns) for p in demo[0].rglob("*"))
            assert fresh().scan(demo[0]) == demo[1]
            assert sorted((p, p.stat().st_mtime_ns) for p in demo[0].rglob("*")) == before

        def test_reading_is_deterministic(self, demo: Demo) -> None:
            _, items, modality = demo
            for item in items[:: max(1, len(items) // 20)]:
                one, other = modality.read(item), modality.read(item)
                assert one.dtype == other.dtype
                assert np.array_equal(one, other, equal_nan=one.dtype.kind == "f")

        def test_what_is_given_to_be_refined_is_read_in_the_same_units(self, demo: Demo) -> None:
            _, items, modality = demo
            for item in items[:: max(1, len(items) // 5)]:
                read, one, other = (
                    modality.read(item),
                    modality.read_given(item),
                    modality.read_given(item),
                )
                assert (one.dtype, one.ndim) == (read.dtype, read.ndim)
                assert np.array_equal(one, other, equal_nan=one.dtype.kind == "f")

        def test_what_an_edit_does_not_select_is_put_back(self, demo: Demo) -> None:
            _, items, modality = demo
            example = np.array(modality.read_given(items[0]))
            axis = int(np.argmax(example.shape))
            half = [slice(None)] * example.ndim
            half[axis] = slice(0, example.shape[axis] // 2)
            marks = np.zeros(example.shape, bool)
            marks[tuple(half)] = True
            back = modality.put_back(np.flip(example, axis).copy(), example, marks)
            assert (back.dtype, back.shape) == (example.dtype, example.shape)
            assert np.array_equal(back[~marks], example[~marks])

        def test_no_option_is_left_open_once_fitted(self, demo: Demo) -> None:
            _, items, modality = demo
            assert "auto" not in modality.settings().model_dump().values()
            assert type(modality)(modality.settings()).fit(items).settings() == modality.settings()

        def test_other_data_change_nothing_that_is_settled(self, demo: Demo) -> None:
            """A run is resumed and refined with the settings that it was trained with."""
            _, items, modality = demo
            for item in items[:: max(1, len(items) // 10)]:
                assert modality.fit([item]).settings() == modality.settings()

        def test_its_settings_are_all_there_is_to_it(self, demo: Demo) -> None:
            """Settings are stored as JSON; later runs and sampling build the modality from them."""
            settings = demo[2].settings()
            again = type(demo[2])(type(settings).model_validate_json(settings.model_dump_json()))
            assert again.settings() == settings
            shapes = _shapes(demo[2], demo[1][:3])
            assert again.describe(shapes) == demo[2].describe(shapes)

        def test_every_example_is_read_as_one_type_with_the_axes_it_describes(
            self, demo: Demo
        ) -> None:
            _, items, modality = demo
            some = items[:: max(1, len(items) // 20)]
            shape, _, _ = modality.describe(_shapes(modality, some))
            examples = [modality.read(item) for item in some]
            assert {example.ndim for example in examples} == {len(shape)}
            assert len({example.dtype for example in examples}) == 1

        def test_examples_collate_to_a_batch_like_the_template(self, demo: Demo) -> None:
            _, items, modality = demo
            raw = _collated(modality, items[:3])
            template = modality.template(
                _description(modality, items, raw),
                3,
                Streams(0, "template", range(3)),
                _no_request(name),
            )
            assert template.x.dtype == raw.x.dtype
            assert template.x.ndim == raw.x.ndim
            assert (template.mask is None) == (raw.mask is None)
            shape, _, own = modality.describe(_shapes(modality, items[:3]))
            for batch in (raw, template):
                assert all(
                    stated in (None, n) for stated, n in zip(shape, batch.x.shape[1:], strict=True)
                )
            assert set(raw.cond) | set(template.cond) <= {c.name for c in own}

        def test_a_template_s_example_depends_on_its_stream_alone(self, demo: Demo) -> None:
            """It does not depend on other examples or on torch's global generator."""
            _, items, modality = demo
            description = _description(modality, items, _collated(modality, items[:3]))
            made = []
            for seed, n in ((0, 64), (1, 64), (2, 1)):
                torch.manual_seed(seed)
                streams = Streams(0, "template", range(64 - n, 64))
                made.append(modality.template(description, n, streams, _no_request(name)))
            one, other, alone = (_real(batch, -1) for batch in made)
            assert [len(batch) for batch in made] == [64, 64, 1]
            assert all(_same(_real(made[0], i), _real(made[1], i)) for i in range(64))
            assert _same(one, alone)
            assert _same(one, other)

        @pytest.mark.parametrize("flag", sorted(request or {}))
        def test_a_request_has_an_effect(self, demo: Demo, tmp_path: Path, flag: str) -> None:
            _, items, modality = demo
            description = _description(modality, items, _collated(modality, items[:3]))
            changed = []
            for i, asked in enumerate(
                (_no_request(name), _no_request(name, **{flag: (request or {})[flag]}))
            ):
                batch = modality.template(description, 1, Streams(0, "template", [0]), asked)
                folder = tmp_path / str(i)
                folder.mkdir()
                modality.write(modality.read(items[0]), folder / "a", {}, asked)
                files = {path: (folder / path).read_bytes() for path in _files(folder)}
                changed.append((_real(batch, 0), files))
            (one, before), (other, after) = changed
            assert before != after or not _same(one, other), f"--{flag} changes nothing"

        def test_a_request_of_a_shape_asks_for_samples_of_that_shape(self, demo: Demo) -> None:
            """So an earlier stage of a cascade can be asked for what the next one needs."""
            _, items, modality = demo
            raw = _collated(modality, items[:3])
            shape = tuple(n + 1 if n > 4 else n for n in raw.x.shape[1:])
            asked = _no_request(name).model_copy(update=modality.request_of(shape))
            if asked == _no_request(name):
                return  # its requests say nothing of sizes
            assert set(modality.request_of(shape)) <= set(type(asked).model_fields)
            streams = Streams(0, "template", range(2))
            template = modality.template(_description(modality, items, raw), 2, streams, asked)
            sizes = modality.request_of(tuple(template.x.shape[1:]))
            assert sizes == modality.request_of(shape)

        def test_augmentation_keeps_shape_and_type_and_draws_from_the_stream(
            self, demo: Demo
        ) -> None:
            _, items, modality = demo
            raw = _collated(modality, items[:3])
            raw = raw.with_cond(given=torch.arange(len(raw.x)))
            before = raw.map(torch.clone)
            one = modality.augment(raw, Stream(0, "train"))
            assert torch.equal(raw.x, before.x), "augment changes the batch that it is given"
            torch.manual_seed(1)  # it draws from its stream alone
            other = modality.augment(raw, Stream(0, "train"))
            assert (one.x.dtype, one.x.shape) == (raw.x.dtype, raw.x.shape)
            assert torch.equal(one.x, other.x)
            assert one.cond.keys() == raw.cond.keys()
            assert torch.equal(one.cond["given"], raw.cond["given"])
            assert (one.mask is None) == (raw.mask is None)

        def test_written_samples_are_read_back_as_they_were(
            self, demo: Demo, tmp_path: Path
        ) -> None:
            _, items, modality = demo
            for i, item in enumerate(items[:: max(1, len(items) // 4)]):
                folder = tmp_path / str(i)
                folder.mkdir()
                example = modality.read(item)
                modality.write(example, folder / "a", {"seed": SEED}, _no_request(name))
                again = modality.read_sample(modality.scan(folder)[0])
                assert (again.dtype, again.shape) == (example.dtype, example.shape)
                error = again.astype(np.float64) - example.astype(np.float64)
                assert np.sqrt(np.mean(error**2)) <= loss * example.std(dtype=np.float64)

        def test_what_is_written_says_how_it_was_made(self, demo: Demo, tmp_path: Path) -> None:
            _, items, modality = demo
            modality.write(
                modality.read(items[0]), tmp_path / "a", {"seed": SEED}, _no_request(name)
            )
            assert any(
                str(SEED).encode() in (tmp_path / file).read_bytes() for file in _files(tmp_path)
            )

        def test_two_samples_are_two_files_named_as_asked(self, demo: Demo, tmp_path: Path) -> None:
            _, items, modality = demo
            for stem in ("one", "two"):
                path = modality.write(
                    modality.read(items[0]), tmp_path / stem, {}, _no_request(name)
                )
                assert path.is_file()
                assert path.parent == tmp_path
                assert path.name.startswith(f"{stem}.")
            assert {path.parts[0].partition(".")[0] for path in _files(tmp_path)} == {"one", "two"}

        def test_numbers_that_are_not_finite_are_refused(self, demo: Demo, tmp_path: Path) -> None:
            """One of them in the data makes every loss NaN."""
            _, items, modality = demo
            example = modality.read(items[0])
            if example.dtype.kind != "f":
                pytest.skip("its data are whole numbers")
            example = example.copy()
            example.flat[example.size // 2] = np.nan
            with suppress(Exception):  # it may not be written at all
                modality.write(example, tmp_path / "a", {}, _no_request(name))
            with suppress(DataError):
                for item in modality.scan(tmp_path):
                    assert np.isfinite(modality.read(item)).all()

        def test_nothing_is_overwritten(self, demo: Demo, tmp_path: Path) -> None:
            _, items, modality = demo
            path = modality.write(modality.read(items[0]), tmp_path / "a", {}, _no_request(name))
            content = path.read_bytes()
            with pytest.raises(Exception, match=r"exist|overwrit"):
                modality.write(modality.read(items[-1]), tmp_path / "a", {}, _no_request(name))
            assert path.read_bytes() == content

        def test_a_preview_is_one_file(self, demo: Demo, tmp_path: Path) -> None:
            _, items, modality = demo
            path = modality.preview(
                [modality.read(item) for item in items[:5]], tmp_path / "sheet", ["a"] * 5
            )
            assert path.stat().st_size > 0
            assert list(tmp_path.iterdir()) == [path]

        def test_an_empty_folder_and_foreign_files_are_one_clear_error(
            self, tmp_path: Path
        ) -> None:
            with pytest.raises(DataError):
                fresh().scan(tmp_path)
            (tmp_path / "notes.xyz123").write_text("hello")
            with pytest.raises(DataError):
                fresh().scan(tmp_path)

        @pytest.mark.parametrize("damage", ["empty", "noise"])
        def test_a_bad_file_is_a_data_error(self, demo: Demo, tmp_path: Path, damage: str) -> None:
            _, items, modality = demo
            bad = _damaged(items[0], tmp_path, damage)
            for read in (modality.read, modality.read_sample, modality.read_given):
                with pytest.raises(DataError, match=re.escape(bad.path.name)):
                    read(bad)

        def test_half_a_file_is_read_or_a_data_error(self, demo: Demo, tmp_path: Path) -> None:
            """Some formats cannot detect a missing end; the others raise only DataError."""
            _, items, modality = demo
            bad = _damaged(items[0], tmp_path, "half")
            for read in (modality.read, modality.read_sample, modality.read_given):
                with suppress(DataError):
                    read(bad)

        @pytest.mark.parametrize("damage", ["empty", "noise"])
        def test_a_bad_file_stops_nothing_be_it_the_first(
            self, demo: Demo, tmp_path: Path, damage: str
        ) -> None:
            _, items, modality = demo
            bad = _damaged(items[0], tmp_path, damage)
            assert fresh().scan(tmp_path) == [bad]  # found like any other file; reading reports it
            assert fresh().fit([bad, *items]).settings() == modality.settings()
            with pytest.raises(DataError):
                modality.read(fresh().scan(tmp_path)[0])

        @pytest.mark.parametrize("damage", ["empty", "noise"])
        def test_the_check_names_a_bad_file_and_goes_on(
            self, demo: Demo, tmp_path: Path, damage: str
        ) -> None:
            bad = _damaged(demo[1][0], tmp_path, damage)
            findings = report([bad, *demo[1][:50]])
            assert any(
                f.level in ("warning", "error") and bad.path.name in f.text for f in findings
            )
            assert any(f.text.startswith("column") or "conditional" in f.text for f in findings)

        def test_the_check_of_nothing_but_bad_files_is_an_error(
            self, demo: Demo, tmp_path: Path
        ) -> None:
            assert "error" in {f.level for f in report([_damaged(demo[1][0], tmp_path, "empty")])}

        def test_it_says_what_a_person_should_know(self, demo: Demo) -> None:
            findings = report(demo[1][:200])
            assert {f.level for f in findings} <= {"ok", "note", "warning"}
            assert findings[-1].text.startswith(f"to train: difftool train -m {name} ")

        def test_it_trains_goes_on_and_samples(
            self, demo: Demo, cache: Path, tmp_path: Path
        ) -> None:
            """With its default recipe, in every representation."""
            for representation in registry().modality(name).representations:
                folder = _trained(
                    f"{name}/{representation}",
                    demo[0],
                    tmp_path / representation,
                    [*_as_sets(options), *BRIEF, *sets],
                )
                assert folder.model_path.is_file()

    return named(ModalityContract, name)


def _trained(use: str, data: Path, path: Path, sets: list[str]) -> RunFolder:
    """Train two steps with a stop between them and a preview, and write one sample."""
    config = resolve(
        use,
        gather(registry(), use, sets=[f"data.path={str(data)!r}", *sets], project=None),
        registry(),
    )
    config, dataset = open_dataset(config, registry())
    folder = RunFolder.create(path, config.to_toml(), dataset.description, dataset.source)
    for resume in (False, True):
        stage = build_stage(
            config, registry(), dataset.description, choose_device("cpu"), dataset.modality
        )
        for progress in fit(stage, dataset, folder, resume=resume, stop=lambda: True):
            assert progress.loss is not None
            assert np.isfinite(progress.loss)
        made = list(generate(stage, SampleRequest(n=2, steps=2)))
    assert all(np.isfinite(one.example.astype(np.float64)).all() for one in made)
    folder.samples_path.mkdir(exist_ok=True)
    written = dataset.modality.write(
        made[0].example, folder.samples_path / "0", {"seed": 0}, _no_request(use.partition("/")[0])
    )
    assert dataset.modality.read(Item(written)).ndim == made[0].example.ndim
    return folder


def _as_sets(options: dict[str, Any] | None) -> list[str]:
    return [f"modality.{key}={value!r}" for key, value in (options or {}).items()]


def _recipes(name: str) -> list[tuple[str, str]]:
    """``(modality or modality/representation, recipe)`` for every recipe of a modality."""
    known = (known.rpartition("/") for known in registry().names("recipe"))
    return [(use, recipe) for use, _, recipe in known if use.partition("/")[0] == name]


def _damaged(item: Item, folder: Path, damage: str) -> Item:
    """A damaged copy of the item's file in an empty folder."""
    content = {
        "empty": lambda: b"",
        "noise": lambda: np.random.default_rng(0).bytes(4096),
        "half": lambda: item.path.read_bytes()[: item.path.stat().st_size // 2],
    }
    bad = folder / f"damaged{item.path.suffix}"
    bad.write_bytes(content[damage]())
    return Item(bad)


def _shapes(modality: Modality, items: Sequence[Item]) -> np.ndarray:
    """The shapes of these examples, as in a cache."""
    return np.asarray([modality.read(item).shape for item in items])


def _files(folder: Path) -> list[Path]:
    return sorted(p.relative_to(folder) for p in folder.rglob("*") if p.is_file())


def _collated(modality: Modality, items: Sequence[Item]) -> Batch:
    """Collate as a dataset does: from one array if all shapes agree, else from a list."""
    examples = [modality.read(item) for item in items]
    alike = len({example.shape for example in examples}) == 1
    return modality.collate(np.stack(examples) if alike else examples, Stream(0, "collate"))


def _description(modality: Modality, items: Sequence[Item], raw: Batch) -> Description:
    shape, extra, _ = modality.describe(_shapes(modality, items[:3]))
    return Description(shape, str(raw.x.dtype).removeprefix("torch."), len(items), {}, extra)


def _real(batch: Batch, i: int) -> dict[str, torch.Tensor]:
    """Example ``i`` of a batch without its padding, and its conditions."""
    cond = {key: value[i] for key, value in batch.cond.items()}
    if batch.mask is None:
        return {"x": batch.x[i], **cond}
    x, mask = batch.x[i], batch.mask.expand_as(batch.x)[i]
    for axis in range(x.ndim):
        some = mask.movedim(axis, 0).reshape(mask.shape[axis], -1).any(1).nonzero().flatten()
        x, mask = x.index_select(axis, some), mask.index_select(axis, some)
    alone = {key: value for key, value in cond.items() if value.ndim == 0}
    return {"x": x, "mask": mask, **alone}


def _same(one: Mapping[str, torch.Tensor], other: Mapping[str, torch.Tensor]) -> bool:
    return one.keys() == other.keys() and all(
        one[key].shape == other[key].shape
        and torch.allclose(one[key].double(), other[key].double(), rtol=0, atol=0, equal_nan=True)
        for key in one
    )


def _no_request(name: str, **asked: Any) -> Options:
    request = registry().modality(name).request
    return load_object(request)(**asked) if request else NoOptions()
