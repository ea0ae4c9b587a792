"""The contract of an observer."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from ..description import Description
from ..engine.observers import Notifier
from ..observer import Observer, Progress, Result, RunInfo
from .parts import load, named, needs_no_torch

STEPS = 4


def observer_contract(name: str, options: dict[str, Any] | None = None) -> type:
    """Tests that check an observer against its contract, on short runs without a network.

    Args:
        options: settings other than the defaults.
    """

    def built() -> Observer:
        target, settings = load("observer", name, **(options or {}))
        return target(settings)

    class ObserverContract:
        def test_its_options_need_no_torch(self) -> None:
            """difftool imports them to print help."""
            assert needs_no_torch("observer", name)

        def test_it_watches_a_whole_run(self, tmp_path: Path) -> None:
            assert _failures(built(), _run(tmp_path)) == []

        def test_it_watches_a_run_that_is_resumed(self, tmp_path: Path) -> None:
            """Another process resumes the run, so another observer watches the rest."""
            assert _failures(built(), _run(tmp_path), last=2) == []
            assert _failures(built(), _run(tmp_path, first=2), first=2) == []

        def test_it_watches_a_run_that_fails(self, tmp_path: Path) -> None:
            assert _failures(built(), _run(tmp_path), last=2, error=RuntimeError("it broke")) == []

        def test_it_watches_a_run_without_a_step(self, tmp_path: Path) -> None:
            assert _failures(built(), _run(tmp_path), last=0) == []

        def test_its_own_failures_end_no_run(self, tmp_path: Path) -> None:
            """The run's folder is gone, as on a disk that was removed."""
            _failures(built(), _run(tmp_path / "gone", make=False))

        def test_the_files_of_a_run_are_left_alone(self, tmp_path: Path) -> None:
            run = _run(tmp_path)
            before = _content(tmp_path)
            _failures(built(), run)
            after = _content(tmp_path)
            assert {path: after.get(path) for path in before} == before

        def test_a_step_returns_the_event_with_a_new_file_or_nothing(self, tmp_path: Path) -> None:
            observer, run = built(), _run(tmp_path)
            observer.begin(run)
            for event in _events(run.path, 0, STEPS):
                returned = observer.step(event)
                if returned is not None:
                    allowed = event._replace(saved=returned.saved, preview=returned.preview)
                    assert returned == allowed, "only 'saved' and 'preview' change"
                    made = {returned.saved, returned.preview} - {event.saved, event.preview, None}
                    assert all(path.exists() for path in made if path)
            observer.end(Result(event))

    return named(ObserverContract, name)


def _run(path: Path, first: int = 0, make: bool = True) -> RunInfo:
    """A run with the files that training writes."""
    if make:
        path.mkdir(exist_ok=True)
        (path / "config.toml").write_text("[train]\nsteps = 4\n", encoding="utf-8")
        (path / "metrics.jsonl").write_text('{"step": 1, "loss": 1.0}\n', encoding="utf-8")
    config = {"train": {"steps": STEPS, "batch": 2}, "modality": {"use": "numbers"}}
    return RunInfo(path, config, Description((1, 4), "float32", 8), first, STEPS)


def _events(path: Path, first: int, last: int) -> list[Progress]:
    """What follows each step: losses at every second one, and files at the last."""
    return [
        Progress(
            step,
            STEPS,
            loss=1 / step,
            examples_per_second=100.0,
            eta_s=float(STEPS - step),
            memory_bytes=1 << 20,
            lr=1e-3,
            saved=path / "checkpoints" / "00000004" if step == STEPS else None,
            preview=path / "samples" / "preview-00000004.png" if step == STEPS else None,
            mean_loss=1 / step if step % 2 == 0 else None,
            losses={"denoiser": 1 / step} if step % 2 == 0 else {},
            seen=2 * step,
            ending=step == STEPS,
        )
        for step in range(first + 1, last + 1)
    ]


def _failures(
    observer: Observer,
    run: RunInfo,
    first: int = 0,
    last: int = STEPS,
    error: Exception | None = None,
) -> list[str]:
    """The failures that are reported while the observer watches steps ``first`` to ``last``."""
    reported: list[str] = []
    notifier = Notifier([observer], reported.append)

    def train() -> None:
        with notifier.during(run):
            for event in _events(run.path, first, last):
                notifier.step(event)
            if error is not None:
                raise error

    _swallowing(error, train)
    return reported


def _swallowing(expected: Exception | None, act: Callable[[], None]) -> None:
    """Call ``act``; only the expected error is not passed on."""
    try:
        act()
    except Exception as raised:
        if raised is not expected:
            raise


def _content(folder: Path) -> dict[Path, bytes]:
    return {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}
