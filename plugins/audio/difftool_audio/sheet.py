"""A contact sheet: many sounds in one picture, each as its waveform above its spectrogram, on one
scale.
"""

from __future__ import annotations

import io
import math
import warnings
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from matplotlib import colormaps
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.font_manager import FontProperties

from difftool import font_families

from .level import FULL_SCALE

WIDTH = 1720  # of a sheet, in pixels, where its cells come out neither too small nor too large
SIDE = 4096  # of the widest sheet
NARROW, WIDE = 184, 480  # cells
GAP, MARGIN, FOOT = 14, 46, 40
DPI = 100
FONT = "DejaVu Sans"  # comes with matplotlib
WINDOW = (
    0.032  # seconds that a spectrum sees: harmonics of a voice stay apart, and so do its syllables
)
RANGE = 75.0  # dB from the brightest to the darkest

MARK, TINT = (255, 40, 120), 0.3
"""Colour and strength of the tint of what is selected."""

PAPER, INK, FAINT = (255, 255, 255), "#333333", "#8a8a8a"
PEAK, RMS, LOUD, AXIS = (155, 183, 212), (31, 78, 121), (200, 50, 40), (225, 229, 234)


def sheet(
    examples: Sequence[np.ndarray],
    rate: int,
    titles: Sequence[str] = (),
    marks: Sequence[np.ndarray | None] = (),
) -> bytes:
    """int16 ``[c, n]`` sounds, of any lengths, as one PNG picture.

    All cells share one scale of time, of amplitude (the loudest peak fills the height) and of
    brightness, so that what looks louder is. Light is the peak and dark the root mean square; red
    is full scale. Two channels are drawn one above the other; the spectrogram is of their power
    together.

    Args:
        marks: for each sound, what of it is tinted ``[1, n]``, as truth values or shares; None for
            nothing.
    """
    plan = _plan(examples, rate, any(titles))
    spectra = [_decibels(example, rate, plan) for example in examples]
    top = max(-60.0, 5 * math.ceil(max(spectrum.max() for spectrum in spectra) / 5))
    peak = (
        max(1, *(int(np.abs(example.astype(np.int32)).max(initial=0)) for example in examples))
        / FULL_SCALE
    )
    paper = np.full((plan.total[1], plan.total[0], 3), PAPER, np.uint8)
    for i, (example, spectrum) in enumerate(zip(examples, spectra, strict=True)):
        left, upper = plan.corner(i)
        columns = plan.columns(example)
        share = _columns_of(marks[i] if i < len(marks) else None, columns)
        wave = _wave(example, peak, columns, plan.wave)
        paper[upper : upper + plan.wave, left : left + columns] = _tinted(wave, share)
        upper += plan.wave + 2
        colours = _tinted(_colours(spectrum, top), share)
        paper[upper : upper + plan.tall, left : left + columns] = colours
    return _lettered(paper, plan, titles, rate, top, peak)


# --- where everything goes ------------------------------------------------------------------------


class _Plan(NamedTuple):
    """Sizes in pixels.

    Attributes:
        cells: how many.
        across: cells in a row.
        width: of a cell, which the longest sound fills.
        wave: height of a waveform.
        tall: height of a spectrogram.
        line: height of a title.
        step: samples to a pixel.
    """

    cells: int
    across: int
    width: int
    wave: int
    tall: int
    line: int
    step: float

    @property
    def total(self) -> tuple[int, int]:
        down = math.ceil(self.cells / self.across)
        return MARGIN + self.across * (self.width + GAP), GAP + down * (self._cell + GAP) + FOOT

    @property
    def _cell(self) -> int:
        return self.line + self.wave + 2 + self.tall

    def corner(self, i: int) -> tuple[int, int]:
        """The left and upper edge of a waveform."""
        return MARGIN + i % self.across * (self.width + GAP), GAP + i // self.across * (
            self._cell + GAP
        ) + self.line

    def columns(self, example: np.ndarray) -> int:
        """The width of a sound in pixels."""
        return max(1, min(self.width, round(example.shape[1] / self.step)))


def _plan(examples: Sequence[np.ndarray], rate: int, titled: bool) -> _Plan:
    across = _across(len(examples))
    width = min(max(WIDTH // across - GAP, NARROW), WIDE, (SIDE - MARGIN) // across - GAP)
    tall = min(160, max(24, round(0.44 * width)))
    longest = max(example.shape[1] for example in examples)
    return _Plan(
        len(examples),
        across,
        width,
        max(12, round(0.42 * tall)),
        tall,
        20 * titled,
        max(longest, 0.05 * rate) / width,
    )


def _across(n: int) -> int:
    """About as many columns as rows; if possible, so that the last row is full."""
    square = math.ceil(math.sqrt(n))
    return next((c for c in range(square, square + square // 2 + 1) if n % c == 0), square)


# --- waveforms ------------------------------------------------------------------------------------


def _wave(example: np.ndarray, peak: float, columns: int, height: int) -> np.ndarray:
    """uint8 ``[height, columns, 3]``: the channels in strips of equal height."""
    strips = np.array_split(np.arange(height), len(example))
    return np.concatenate(
        [_strip(x, peak, columns, len(rows)) for x, rows in zip(example, strips, strict=True)]
    )


def _strip(x: np.ndarray, peak: float, columns: int, height: int) -> np.ndarray:
    low, high, rms, loud = _envelope(x, columns)
    picture = np.broadcast_to(np.array(PAPER, float), (height, columns, 3))
    middle = np.zeros(columns)
    picture = _inked(picture, _bar(middle, middle, peak, height), AXIS)
    picture = _inked(picture, _bar(low, high, peak, height), np.where(loud[:, None], LOUD, PEAK))
    picture = _inked(picture, _bar(np.maximum(low, -rms), np.minimum(high, rms), peak, height), RMS)
    return picture.round().astype(np.uint8)


def _envelope(x: np.ndarray, columns: int) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Least, greatest and root mean square of full scale in every column, and whether it reaches
    full scale.

    A column begins at the last sample of the one before, so that the curve has no gaps.
    """
    y = np.maximum(x, 1 - FULL_SCALE).astype(np.float32) / FULL_SCALE
    edges = np.linspace(0, len(y), columns + 1).astype(int)
    starts = np.minimum(edges[:-1], len(y) - 1)
    before = y[np.maximum(starts - 1, 0)]
    low, high = np.minimum.reduceat(y, starts), np.maximum.reduceat(y, starts)
    rms = np.sqrt(np.add.reduceat(y**2, starts) / np.diff(edges).clip(1))
    return (
        np.minimum(low, before),
        np.maximum(high, before),
        rms,
        np.maximum(-low, high) >= (FULL_SCALE - 1.5) / FULL_SCALE,
    )


def _bar(low: np.ndarray, high: np.ndarray, peak: float, height: int) -> np.ndarray:
    """The share of each pixel ``[height, columns]`` that lies between two levels: smooth edges,
    never thinner than a pixel.
    """
    upper, lower = ((1 - level / peak) / 2 * (height - 1) for level in (high, low))
    rows = np.arange(height)[:, None]
    return (np.minimum(lower + 1, rows + 1) - np.maximum(upper, rows)).clip(0, 1)


def _inked(
    picture: np.ndarray, share: np.ndarray, ink: np.ndarray | tuple[int, int, int]
) -> np.ndarray:
    return picture + share[..., None] * (np.asarray(ink, float) - picture)


def _columns_of(mark: np.ndarray | None, columns: int) -> np.ndarray:
    """How much of each column is marked ``[columns]``: the most of its samples."""
    if mark is None:
        return np.zeros(columns)
    line = mark.astype(np.float32).max(0)
    starts = np.linspace(0, len(line), columns + 1).astype(int)[:-1]
    return np.maximum.reduceat(line, np.minimum(starts, len(line) - 1))


def _tinted(picture: np.ndarray, share: np.ndarray) -> np.ndarray:
    """uint8 ``[height, columns, 3]`` with a tint where it is marked."""
    if not share.any():
        return picture
    mixed = picture + TINT * share[:, None] * (np.array(MARK, float) - picture)
    return mixed.round().astype(np.uint8)


# --- spectrograms ---------------------------------------------------------------------------------


def _decibels(example: np.ndarray, rate: int, plan: _Plan) -> np.ndarray:
    """dB of full scale ``[tall, columns]``, a sine's peak counting as its amplitude; high notes
    above, spaced as on the mel scale.
    """
    window = max(32, 1 << round(math.log2(WINDOW * rate)))
    columns = plan.columns(example)
    each = int(
        min(4, max(1, math.ceil(plan.step / (window / 2))))
    )  # spectra to a pixel, where a pixel is longer than they see
    centres = (np.arange(columns * each) + 0.5) * example.shape[1] / (columns * each)
    places = centres.astype(int)[:, None] + np.arange(window)
    taper = np.hanning(window).astype(np.float32)
    taper *= 2 / taper.sum() / FULL_SCALE
    bands = _bands(rate, window, plan.tall)
    power = np.zeros((plan.tall, columns), np.float32)
    for channel in example:
        padded = np.pad(channel.astype(np.float32), window // 2 + 1)
        spectra = np.abs(np.fft.rfft(padded[places] * taper)).astype(np.float32) ** 2
        power += (bands @ spectra.T).reshape(plan.tall, columns, each).mean(2) / len(example)
    return 10 * np.log10(np.maximum(power, 1e-12))


def _bands(rate: int, window: int, rows: int) -> np.ndarray:
    """``[rows, bins]``: the share of each bin in each row: overlapping triangles, at least one bin
    wide.
    """
    bins = np.fft.rfftfreq(window, 1 / rate)
    edges = _hertz(np.linspace(_mel(rate / 2), 0, rows + 2))
    centre, half = edges[1:-1, None], np.maximum((edges[:-2] - edges[2:]) / 2, bins[1])[:, None]
    weight = np.maximum(0, 1 - np.abs(bins - centre) / half)
    return (weight / weight.sum(1, keepdims=True)).astype(np.float32)


def _mel(hertz: float) -> float:
    return 2595 * math.log10(1 + hertz / 700)


def _hertz(mel: np.ndarray) -> np.ndarray:
    return 700 * (10 ** (mel / 2595) - 1)


def _colours(decibels: np.ndarray, top: float) -> np.ndarray:
    table = (np.asarray(colormaps["magma"](np.arange(256)))[:, :3] * 255).round().astype(np.uint8)
    return table[((decibels - top) / RANGE * 255 + 255).clip(0, 255).astype(np.uint8)]


# --- letters --------------------------------------------------------------------------------------


def _lettered(
    paper: np.ndarray, plan: _Plan, titles: Sequence[str], rate: int, top: float, peak: float
) -> bytes:
    height, width = paper.shape[:2]
    pen = _Pen(paper)
    for i, title in enumerate(titles[: plan.cells]):
        left, upper = plan.corner(i)
        pen.text(left, upper - 12, pen.cut(title, 8.5, plan.width), 8.5, INK)
    for i in range(0, plan.cells, plan.across):
        _frequencies(pen, plan, i, rate)
    _foot(pen, plan, width, height, top, peak, rate)
    return pen.png()


def _frequencies(pen: _Pen, plan: _Plan, i: int, rate: int) -> None:
    """The frequency scale beside the first spectrogram of a row."""
    left, upper = plan.corner(i)
    upper += plan.wave + 2
    last = math.inf
    for hertz in (250, 500, 1000, 2000, 4000, 8000, 16000):
        y = upper + plan.tall * (1 - _mel(hertz) / _mel(rate / 2))
        if y >= upper and last - y >= 11:
            last = y
            pen.text(
                left - 6,
                y,
                f"{hertz // 1000}k" if hertz >= 1000 else str(hertz),
                6.5,
                FAINT,
                "right",
            )
            pen.fill(left - 4, round(y), 3, 1)


def _foot(
    pen: _Pen, plan: _Plan, width: int, height: int, top: float, peak: float, rate: int
) -> None:
    """The legend: the scales, and the colours of the spectrograms."""
    y, bar = height - FOOT // 2, min(120, width // 4)
    ramp = _colours(np.broadcast_to(np.linspace(top - RANGE, top, bar), (9, bar)), top)
    pen.paper[y - 4 : y + 5, MARGIN : MARGIN + bar] = ramp
    seconds = plan.step * plan.width / rate
    long = f"{seconds:.3g} s" if seconds < 100 else f"{seconds:,.0f} s"
    loudest = 20 * math.log10(peak)
    text = (
        f"{top - RANGE:.0f} to {top:.0f} dBFS on a mel scale  ·  waveforms to "
        f"{min(-0.1, loudest):.1f} dBFS  ·  {long} wide"
    ).replace("-", "−")
    left = MARGIN + bar + 8
    pen.text(left, y, pen.cut(text, 7.5, width - left), 7.5, FAINT)


def _font(text: str, size: float) -> FontProperties:
    return FontProperties(family=FONT if text.isascii() else font_families(text), size=size)


class _Pen:
    """Draws text on a picture."""

    def __init__(self, paper: np.ndarray) -> None:
        self.paper = paper
        height, width = paper.shape[:2]
        self.figure = Figure(figsize=(width / DPI, height / DPI), dpi=DPI)
        self.canvas = FigureCanvasAgg(self.figure)

    def text(
        self, x: float, y: float, text: str, size: float, colour: str, align: str = "left"
    ) -> None:
        height, width = self.paper.shape[:2]
        font = _font(text, size)
        self.figure.text(
            x / width,
            1 - y / height,
            text,
            fontproperties=font,
            color=colour,
            ha=align,
            va="center_baseline",
            parse_math=False,
            usetex=False,
        )

    def fill(self, x: int, y: int, width: int, height: int) -> None:
        self.paper[y : y + height, x : x + width] = 170

    def cut(self, text: str, size: float, width: int) -> str:
        """The start of a text that fits on one line of this width; no letter is thinner than one."""
        text = " ".join("".join(c if c.isprintable() else " " for c in text).split())[: width + 1]
        if self._long(text, size) <= width:
            return text
        while text and self._long(text + "…", size) > width:
            text = text[:-1]
        return text + "…"

    def _long(self, text: str, size: float) -> float:
        renderer = self.canvas.get_renderer()
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", message="Glyph")
            return renderer.get_text_width_height_descent(text, _font(text, size), False)[0]

    def png(self) -> bytes:
        self.figure.figimage(self.paper)
        buffer = io.BytesIO()
        with (
            warnings.catch_warnings()
        ):  # a letter that the font lacks is drawn as a box: no reason to bother anyone
            warnings.filterwarnings("ignore", message="Glyph")
            self.canvas.print_png(
                buffer, metadata={"Software": "difftool"}, pil_kwargs={"compress_level": 3}
            )
        return buffer.getvalue()
