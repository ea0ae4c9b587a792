"""Data that the benchmarks make for themselves: pictures, recordings, clips and molecules, the same ones every time."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

VIDEO_KINDS = {"h264": ("libx264", "yuv420p", ".mp4"), "lossless": ("png", "rgb24", ".mov")}
ELEMENTS = ("C", "H", "N", "O", "F")


def write_pictures(folder: Path, count: int, size: int) -> None:
    """PNG files of smooth fields with a little noise, which compress as photographs do."""
    from PIL import Image

    folder.mkdir(parents=True)
    rng = np.random.default_rng(0)
    for i in range(count):
        coarse = Image.fromarray(rng.integers(0, 256, (8, 8, 3), dtype=np.uint8))
        field = coarse.resize((size, size), Image.Resampling.BICUBIC)
        picture = np.asarray(field, np.int16) + rng.integers(-6, 7, (size, size, 3))
        Image.fromarray(picture.clip(0, 255).astype(np.uint8)).save(folder / f"{i:05d}.png")


def write_recordings(
    folder: Path, count: int, rate: int, length: int, kinds: tuple[str, ...] = ("wav",)
) -> None:
    """Tones with noise, of ``length`` samples, each as every one of ``kinds``, in a folder for each kind."""
    import soundfile

    rng = np.random.default_rng(0)
    t = np.arange(length) / rate
    for kind in kinds:
        (folder / kind).mkdir(parents=True)
    for i in range(count):
        x = 0.3 * np.sin(2 * np.pi * rng.uniform(80, 2000) * t) + 0.05 * rng.standard_normal(length)
        for kind in kinds:
            soundfile.write(folder / kind / f"{i:04d}.{kind}", x, rate, subtype="PCM_16")


def write_clips(
    folder: Path, count: int, frames: int, size: int, rate: int, kinds: tuple[str, ...] = ("h264",)
) -> None:
    """Noisy pictures that wander, each as every one of ``kinds``, in a folder for each kind."""
    rng = np.random.default_rng(0)
    for kind in kinds:
        (folder / kind).mkdir(parents=True)
    for i in range(count):
        clip = moving(rng, frames, size)
        for kind in kinds:
            codec, pixels, suffix = VIDEO_KINDS[kind]
            encode(folder / kind / f"{i:04d}{suffix}", clip, rate, codec, pixels)


def moving(rng: np.random.Generator, frames: int, size: int) -> np.ndarray:
    """``[t, h, w, 3]`` bytes: a coarse picture that wanders, with a little noise, as filmed pictures have."""
    coarse = rng.integers(0, 256, (4, 4, 3)).repeat(size // 4, 0).repeat(size // 4, 1)
    step = rng.integers(-3, 4, 2)
    clip = np.stack([np.roll(coarse, tuple(t * step), (0, 1)) for t in range(frames)])
    return (clip + rng.integers(-6, 7, clip.shape)).clip(0, 255).astype(np.uint8)


def encode(path: Path, clip: np.ndarray, rate: int, codec: str, pixels: str) -> None:
    import av

    with av.open(path, "w") as container:
        stream: Any = container.add_stream(codec, rate=rate)
        stream.width, stream.height, stream.pix_fmt = clip.shape[2], clip.shape[1], pixels
        for frame in clip:
            container.mux(stream.encode(av.VideoFrame.from_ndarray(frame, format="rgb24")))
        container.mux(stream.encode())


def molecule_sizes(count: int, smallest: int, largest: int) -> np.ndarray:
    return np.random.default_rng(0).integers(smallest, largest + 1, count)


def write_molecules(folder: Path, sizes: np.ndarray) -> None:
    """XYZ files, one for each of ``sizes`` atoms: every element, in places no chemist has seen."""
    folder.mkdir(parents=True)
    rng = np.random.default_rng(0)
    for i, n in enumerate(sizes):
        places = np.cumsum(rng.normal(0, 0.9, (n, 3)), 0)
        rows = [
            f"{ELEMENTS[k % len(ELEMENTS)]} {x:.4f} {y:.4f} {z:.4f}"
            for k, (x, y, z) in enumerate(places)
        ]
        (folder / f"{i:04d}.xyz").write_text(
            "\n".join([str(n), "made for a benchmark", *rows, ""]), encoding="utf-8"
        )


def write_sdf(path: Path, smiles: tuple[str, ...]) -> None:
    """The molecules with hydrogens, each in one conformation."""
    from rdkit import Chem
    from rdkit.Chem import AllChem

    path.parent.mkdir(parents=True, exist_ok=True)
    with Chem.SDWriter(str(path)) as writer:
        for text in smiles:
            mol = Chem.AddHs(Chem.MolFromSmiles(text))
            AllChem.EmbedMolecule(mol, randomSeed=0)
            writer.write(mol)
