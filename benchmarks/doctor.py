"""How many planted faults ``difftool doctor`` names among its first two findings, and false alarms.

    python benchmarks/doctor.py --data DATA --out OUT [--only "NAME;…"] [--minutes N]
    python benchmarks/doctor.py --smoke

DATA holds ``letters`` (pictures in folders of classes), ``digits`` and ``notes`` (WAV files in folders
of classes), ``clips`` (videos) and ``molecules.sdf``. Each fault is planted into a copy of the data, or
into the settings of a short run on them, and the doctor is asked. What was measured stands in
``OUT/results.jsonl``, a line for each case; cases that stand there are not measured again.
"""

from __future__ import annotations

import argparse
import json
import shutil
import sys
import time
import warnings
import wave
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
from common import arguments, emit
from PIL import Image

import difftool

Plant = Callable[[Path, np.random.Generator], None]

TINY = {
    "backbone.channels": 16,
    "backbone.multipliers": [1, 2],
    "backbone.blocks": 1,
    "train.preview": 0,
    "train.log_every": 10,
    "train.save_every": 100_000,
}


@dataclass(frozen=True)
class Case:
    """Data with a fault, or a run on sound data with one in its settings.

    Attributes:
        data: which data.
        expected: the kinds of findings that name the fault; none for what is sound.
        plant: changes a copy of the data.
        steps: of a run; 0 where only the data are looked at.
        settings: of the run.
        sampling: settings of the samples, written into the run's configuration.
    """

    data: str
    expected: tuple[str, ...] = ()
    plant: Plant | None = None
    steps: int = 0
    settings: dict[str, Any] = field(default_factory=dict)


def files(folder: Path, suffix: str) -> list[Path]:
    return sorted(folder.rglob(f"*{suffix}"))


def shuffle_labels(folder: Path, rng: np.random.Generator) -> None:
    """Each file into the class of another."""
    found = [path for path in folder.rglob("*.*") if path.parent != folder]
    places = [path.parent.name for path in found]
    for i, (path, place) in enumerate(zip(found, rng.permutation(places), strict=True)):
        path.rename(folder / place / f"moved-{i}{path.suffix}")


def wrong_labels(folder: Path, rng: np.random.Generator) -> None:
    """A quarter of the files into another class."""
    found = [path for path in folder.rglob("*.*") if path.parent != folder]
    classes = sorted({path.parent.name for path in found})
    for i in rng.permutation(len(found))[: len(found) // 4]:
        own = classes.index(found[i].parent.name)
        other = classes[(own + rng.integers(1, len(classes))) % len(classes)]
        found[i].rename(folder / other / f"moved-{i}{found[i].suffix}")


def copies(folder: Path, rng: np.random.Generator) -> None:
    """A third of the pictures twice, with a grain of noise."""
    found = files(folder, ".png")
    for i in rng.permutation(len(found))[: len(found) // 3]:
        grain = rng.integers(0, 3, np.asarray(Image.open(found[i])).shape)
        noisy = np.asarray(Image.open(found[i])).astype(int) + grain
        Image.fromarray(noisy.clip(0, 255).astype(np.uint8)).save(
            found[i].with_name(f"again-{found[i].name}")
        )


def copies_across(folder: Path, rng: np.random.Generator) -> None:
    """A tenth of the files in a second class too."""
    found = [path for path in folder.rglob("*.*") if path.parent != folder]
    classes = sorted({path.parent.name for path in found})
    for i in rng.permutation(len(found))[: len(found) // 10]:
        other = classes[(classes.index(found[i].parent.name) + 1) % len(classes)]
        shutil.copy(found[i], folder / other / f"copy-{i}{found[i].suffix}")


def starved(folder: Path, rng: np.random.Generator) -> None:
    """One class loses all but a few of its files."""
    first = min(path for path in folder.iterdir() if path.is_dir())
    for path in sorted(first.iterdir())[4:]:
        path.unlink()


def few(folder: Path, rng: np.random.Generator) -> None:
    """A hundred examples are left."""
    found = [path for path in folder.rglob("*.*") if path.is_file() and path.suffix != ".csv"]
    for i in rng.permutation(len(found))[100:]:
        found[i].unlink()


def blank(folder: Path, rng: np.random.Generator) -> None:
    """A tenth of the pictures are black."""
    found = files(folder, ".png")
    for i in rng.permutation(len(found))[: len(found) // 10]:
        Image.fromarray(np.zeros_like(np.asarray(Image.open(found[i])))).save(found[i])


def on_sounds(change: Callable[[np.ndarray], np.ndarray], share: float) -> Plant:
    """A change of the samples, from -1 to 1, of a share of the WAV files."""

    def plant(folder: Path, rng: np.random.Generator) -> None:
        found = files(folder, ".wav")
        for i in rng.permutation(len(found))[: round(share * len(found))]:
            with wave.open(str(found[i])) as file:
                kept = file.getparams()
                x = np.frombuffer(file.readframes(kept.nframes), "<i2") / 32768
            with wave.open(str(found[i]), "wb") as file:
                file.setparams(kept)
                file.writeframes((change(x).clip(-1, 1) * 32767).astype("<i2").tobytes())

    return plant


def dull(x: np.ndarray) -> np.ndarray:
    """Nothing above half of the highest frequency, as after a conversion from half the rate."""
    spectrum = np.fft.rfft(x)
    spectrum[len(spectrum) // 2 :] = 0
    return np.fft.irfft(spectrum, len(x)) * 0.9


def scaled(factor: float) -> Plant:
    """Positions of an SDF file in another unit."""

    def plant(folder: Path, rng: np.random.Generator) -> None:
        path = folder / "molecules.sdf"
        lines = []
        for line in path.read_text().splitlines():
            cells = line.split()
            is_atom = len(line) >= 34 and len(cells) > 8 and cells[3].isalpha()
            if is_atom:
                xyz = "".join(f"{float(line[k : k + 10]) * factor:10.4f}" for k in (0, 10, 20))
                line = xyz + line[30:]
            lines.append(line)
        path.write_text("\n".join(lines) + "\n")

    return plant


def on_clips(change: Callable[[np.ndarray, np.random.Generator], np.ndarray]) -> Plant:
    """A change of the frames ``[t, h, w, 3]`` of every clip, which becomes a folder of pictures."""

    def plant(folder: Path, rng: np.random.Generator) -> None:
        import av

        for path in [one for one in folder.iterdir() if one.suffix in (".mov", ".mp4", ".mkv")]:
            with av.open(str(path)) as container:
                frames = [frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)]
            path.unlink()
            path.with_suffix("").mkdir()
            for i, frame in enumerate(change(np.stack(frames), rng)):
                Image.fromarray(frame).save(path.with_suffix("") / f"{i:04d}.png")
        (folder / "metadata.csv").unlink(missing_ok=True)

    return plant


LETTERS = {"steps": 160}
CASES = {
    "letters, shuffled labels": Case("letters", ("random labels",), shuffle_labels),
    "letters, a quarter of the labels wrong": Case("letters", ("wrong labels",), wrong_labels),
    "letters, near copies": Case("letters", ("copies",), copies),
    "letters, copies across classes": Case("letters", ("copies across classes",), copies_across),
    "letters, a class starves": Case("letters", ("starved class",), starved),
    "letters, a hundred": Case("letters", ("too little data",), few),
    "letters, black ones": Case("letters", ("blank",), blank),
    "digits, shuffled labels": Case("digits", ("random labels",), shuffle_labels),
    "digits, clipped": Case(
        "digits", ("clipping",), on_sounds(lambda x: 8 * x / max(1e-6, abs(x).max()), 0.3)
    ),
    "notes, silent ones": Case(
        "notes", ("silence", "blank", "unusable files"), on_sounds(lambda x: 0 * x, 0.1)
    ),
    "notes, constant offset": Case(
        "notes", ("constant offset",), on_sounds(lambda x: 0.8 * x + 0.1, 1.0)
    ),
    "digits, half the rate": Case("digits", ("wrong rate",), on_sounds(dull, 1.0)),
    "clips, frames shuffled": Case(
        "clips", ("frames out of order",), on_clips(lambda x, rng: rng.permutation(x))
    ),
    "clips, a third still": Case(
        "clips",
        ("still clips",),
        on_clips(lambda x, rng: np.repeat(x[:1], len(x), 0) if rng.random() < 0.33 else x),
    ),
    "molecules, nanometres": Case("molecules", ("wrong units",), scaled(0.1)),
    "letters, learning rate 0.5": Case(
        "letters",
        ("learning rate too high", "not finite", "diverged"),
        settings={"optimizer.lr": 0.5},
        **LETTERS,
    ),
    "letters, learning rate 1e-6": Case(
        "letters", ("learning rate too low",), settings={"optimizer.lr": 1e-6}, **LETTERS
    ),
    "letters, average too long": Case(
        "letters",
        ("average too long",),
        settings={"ema.halflife": [200_000], "ema.rampup": 0},
        **LETTERS,
    ),
    "letters, highest noise 1": Case(
        "letters", ("noise too low",), settings={"schedule.sigma_max": 1.0}, **LETTERS
    ),
    "letters, three steps": Case(
        "letters", ("too few steps",), settings={"sample.steps": 3}, **LETTERS
    ),
}
"""Twenty cases with a fault."""

SOUND = {
    "letters": Case("letters"),
    "digits": Case("digits"),
    "notes": Case("notes"),
    "clips": Case("clips"),
    "molecules": Case("molecules"),
    "letters, a run": Case("letters", **LETTERS),
    "letters, guidance 1.5": Case("letters", settings={"guidance.scale": 1.5}, **LETTERS),
    "letters, larger": Case("letters", settings={"backbone.channels": 24}, **LETTERS),
    "clips, a run": Case("clips", steps=60),
    "molecules, a run": Case("molecules", steps=100),
}
"""Ten without. A short run may be told to train longer, and that its samples are not yet like the
data: that is no false alarm.
"""

UNFINISHED = {"undertrained", "too short", "far", "uniform", "disobedient"}
"""What is true of every run of some minutes."""

MODALITY = {
    "letters": "image",
    "digits": "audio",
    "notes": "audio",
    "clips": "video",
    "molecules": "molecule",
}
OWN = {
    "letters": {"size": 16, "channels": "grey"},
    "digits": {},
    "notes": {},
    "clips": {},
    "molecules": {},
}
LIMITS = {
    "clips": {"modality.size": 16},
    "molecules": {"backbone.layers": 3, "backbone.features": 32},
}


def copied(data: Path, name: str, place: Path) -> Path:
    """A copy of one of the data sets, in which a fault can be planted."""
    place.mkdir(parents=True)
    if name == "molecules":
        shutil.copy(data / "molecules.sdf", place / "molecules.sdf")
    else:
        shutil.copytree(data / name, place, dirs_exist_ok=True)
    return place


def asked(name: str, case: Case, data: Path, place: Path, smoke: bool) -> dict[str, Any]:
    """What the doctor says of a case."""
    shutil.rmtree(place, ignore_errors=True)
    folder = copied(data, case.data, place / "data")
    if case.plant:
        case.plant(folder, np.random.default_rng(0))
    modality, start = MODALITY[case.data], time.perf_counter()
    most = 300 if smoke else 1200
    if not case.steps:
        found = difftool.doctor(folder, modality, data=most, **OWN[case.data])
    else:
        tables = {**(TINY if case.data == "letters" else {}), **LIMITS.get(case.data, {})}
        tables = {k: v for k, v in {**TINY, **tables}.items() if _fits(case.data, k)}
        tables |= {"train.steps": 8 if smoke else case.steps, **case.settings}
        try:
            difftool.train(modality, folder, run=place / "run", **OWN[case.data], **tables)
        except difftool.DifftoolError as error:
            print(f"  training ended: {str(error)[:80]}", file=sys.stderr)
        samples = 0 if smoke else (96 if case.data == "letters" else 24)
        found = difftool.doctor(place / "run", samples=samples, data=most)
    said = [(one["level"], one["kind"]) for one in found["findings"]]
    return {
        "case": name,
        "expected": case.expected,
        "said": said,
        "seconds": round(time.perf_counter() - start, 1),
        "missing": [one["check"] for one in found["missing"]],
    }


def _fits(data: str, key: str) -> bool:
    return not (
        data == "molecules"
        and key in ("backbone.channels", "backbone.multipliers", "backbone.blocks")
    )


def judged(row: dict[str, Any]) -> bool:
    """Whether a fault is among the first two findings, or a sound case has no false alarm."""
    if row["expected"]:
        return any(kind in row["expected"] for _, kind in row["said"][:2])
    grave = [kind for level, kind in row["said"] if level in ("error", "warning")]
    return not [kind for kind in grave if kind not in UNFINISHED]


def chosen(only: str) -> Iterator[tuple[str, Case]]:
    for name, case in {**CASES, **{f"sound: {k}": v for k, v in SOUND.items()}}.items():
        if not only or any(part.strip() in name for part in only.split(";")):
            yield name, case


def small_data(folder: Path) -> Path:
    """Pictures of two classes, for a smoke test."""
    rng = np.random.default_rng(0)
    for i in range(60):  # too few for a judge, which would take most of the time
        picture = rng.integers(0, 60, (16, 16), dtype=np.uint8)
        picture[: 8 if i % 2 else 16, : 16 if i % 2 else 8] += 150
        place = folder / "letters" / "ab"[i % 2]
        place.mkdir(parents=True, exist_ok=True)
        Image.fromarray(picture).save(place / f"{i:03d}.png")
    return folder


SMOKE = "letters, near copies;letters, learning rate 1e-6"


def measured(data: Path, out: Path, only: str, minutes: float, smoke: bool) -> list[dict[str, Any]]:
    """The rows of all cases that are known by now."""
    out.mkdir(parents=True, exist_ok=True)
    results, start = out / "results.jsonl", time.perf_counter()
    known = results.read_text().splitlines() if results.exists() else []
    rows = {row["case"]: row for row in map(json.loads, known)}
    for name, case in chosen(only):
        if name in rows or time.perf_counter() - start > 60 * minutes:
            continue
        if not any((data / f"{case.data}{end}").exists() for end in ("", ".sdf")):
            print(f"skipped, as there are no {case.data}: {name}", file=sys.stderr)
            continue
        rows[name] = asked(name, case, data, out / "work", smoke)
        with results.open("a") as file:
            file.write(json.dumps(rows[name]) + "\n")
        word = "right" if judged(rows[name]) else "WRONG"
        print(f"{word}: {name}: {rows[name]['said'][:4]}", file=sys.stderr, flush=True)
    return list(rows.values())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path)
    parser.add_argument("--out", type=Path)
    parser.add_argument("--only", default="", help="parts of names, separated by semicolons")
    parser.add_argument("--minutes", type=float, default=1e9, help="begin no case after these")
    args = arguments(parser, {"only": SMOKE})
    warnings.simplefilter("ignore")
    with TemporaryDirectory() as place:
        if args.smoke:
            args.data, args.out = small_data(Path(place) / "data"), Path(place) / "out"
        rows = measured(args.data, args.out, args.only, args.minutes, args.smoke)
    faulty = [row for row in rows if row["expected"]]
    sound = [row for row in rows if not row["expected"]]
    report = {
        "faults": len(faulty),
        "named among the first two": sum(map(judged, faulty)),
        "sound": len(sound),
        "false alarms": sum(not judged(row) for row in sound),
        "cases": rows,
    }
    emit(report, args.smoke)


if __name__ == "__main__":
    main()
