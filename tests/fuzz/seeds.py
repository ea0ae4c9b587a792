"""What is mutated: a run, a cascade, and small data of four modalities, each with a metadata table."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image
from small import SETS, TWO, call

MODALITIES = ("image", "audio", "video", "molecule")


@dataclass(frozen=True)
class Seeds:
    """Folders that every input starts from; none of them is changed."""

    root: Path

    @property
    def run(self) -> Path:
        return self.root / "run"

    @property
    def cascade(self) -> Path:
        return self.root / "cascade"

    def data(self, modality: str) -> Path:
        return self.root / "data" / modality


def made(root: Path) -> Seeds:
    """Data, and a run and a cascade that were trained on the pictures among it."""
    seeds = Seeds(root)
    for modality in MODALITIES:
        folder = seeds.data(modality)
        folder.mkdir(parents=True)
        names = globals()[f"_{modality}"](folder)
        rows = [f"{name},{'ab'[i % 2]},{i / 2}" for i, name in enumerate(names)]
        (folder / "metadata.csv").write_text("\n".join(["file_name,kind,score", *rows]) + "\n")
    two = root / "two.toml"
    two.write_text(TWO)
    sets = [word for item in SETS if "size" not in item for word in ("--set", item)]
    steps = [
        "--set",
        "train.steps=4",
        "--set",
        "train.save_every=2",
        "--set",
        "train.batch=4",
        "--set",
        "ema.snapshot_every=2",
    ]
    data = str(seeds.data("image"))
    assert (
        call("train", data, "-m", "image", "--size", "8", "--run", str(seeds.run), *sets, *steps)
        == 0
    )
    assert call("train", str(two), data, "--run", str(seeds.cascade), *sets, *steps) == 0
    return seeds


def _image(folder: Path) -> list[str]:
    rng = np.random.default_rng(0)
    modes = {"png": "RGB", "jpg": "RGB", "gif": "P", "webp": "RGBA", "tif": "I;16", "bmp": "L"}
    names = [f"{i}.{suffix}" for i, suffix in enumerate(modes)]
    for name, mode in zip(names, modes.values(), strict=True):
        array = rng.integers(0, 255, (9, 8, 4), dtype=np.uint8)
        picture = (
            Image.fromarray(array, "RGBA")
            if mode != "I;16"
            else Image.fromarray(array[..., 0].astype(np.uint16) * 256)
        )
        (picture if mode == "I;16" else picture.convert(mode)).save(folder / name)
    return names


def _audio(folder: Path) -> list[str]:
    import soundfile

    rng = np.random.default_rng(0)
    names = ["0.wav", "1.flac", "2.ogg", "3.mp3", "4.wav"]
    for name in names:
        soundfile.write(folder / name, rng.normal(0, 0.1, (1600, 1)), 8000)
    return names


def _video(folder: Path) -> list[str]:
    import av

    rng = np.random.default_rng(0)
    names = ["0.gif", "1.mp4", "2.mkv", "3.gif"]
    for name in names:
        frames = rng.integers(0, 255, (4, 16, 16, 3), dtype=np.uint8)
        if name.endswith("gif"):
            first, *rest = map(Image.fromarray, frames)
            first.save(folder / name, save_all=True, append_images=rest, duration=100)
            continue
        with av.open(str(folder / name), "w") as container:
            stream = container.add_stream("libx264", rate=10)
            stream.width = stream.height = 16
            for frame in frames:
                container.mux(stream.encode(av.VideoFrame.from_ndarray(frame)))
            container.mux(stream.encode())
    return names


def _molecule(folder: Path) -> list[str]:
    atoms = ["O 0 0 0.1", "H 0 0.76 -0.5", "H 0 -0.76 -0.5"]
    for i in range(2):
        (folder / f"{i}.xyz").write_text("\n".join(["3", "water", *atoms]) + "\n")
    lines = "\n".join(f"    0.0000    {i:.4f}    0.1000 {'OHH'[i]}   0  0" for i in range(3))
    (folder / "2.sdf").write_text(
        f"w\n\n\n  3  2  0  0  0  0  0  0  0  0999 V2000\n{lines}\n  1  2  1  0\n  1  3  1  0\nM  END\n$$$$\n"
    )
    (folder / "3.pdb").write_text(
        "".join(
            f"HETATM{i + 1:5d}  {'OHH'[i]}   HOH A   1       0.000   {i}.000   0.100  1.00  0.00           {'OHH'[i]}\n"
            for i in range(3)
        )
        + "END\n"
    )
    positions = np.array([[[0, 0, 0.1], [0, 0.76, -0.5], [0, -0.76, -0.5]]] * 2)
    np.savez(folder / "4.npz", positions=positions, numbers=np.array([[8, 1, 1]] * 2))
    return ["0.xyz", "1.xyz", "2.sdf", "3.pdb"]


def copied(source: Path, target: Path) -> Path:
    """A copy of a file or a folder."""
    if source.is_dir():
        return Path(shutil.copytree(source, target))
    return Path(shutil.copy(source, target))
