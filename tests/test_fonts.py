"""Titles in any script: the letters are drawn if any font here has them."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
from fontTools.fontBuilder import FontBuilder
from fontTools.pens.ttGlyphPen import TTGlyphPen
from matplotlib.font_manager import fontManager
from PIL import Image

from difftool.fonts import font_families, font_path, missing_letters
from difftool.plot import plotted
from difftool_image.grid import laid

RARE = "\U0001e900\U0001e901"
"""Letters (Adlam) that no ordinary font has."""


@pytest.fixture
def rare(tmp_path, monkeypatch):
    """A font on this machine that has them, as a black square each."""
    pen = TTGlyphPen(None)
    for place, x in enumerate((0, 0, 900, 900)):
        (pen.lineTo if place else pen.moveTo)((x, (0, 900, 900, 0)[place]))
    pen.closePath()
    square, empty = pen.glyph(), TTGlyphPen(None).glyph()
    made = FontBuilder(1000)
    made.setupGlyphOrder([".notdef", "a"])
    made.setupCharacterMap({ord(char): "a" for char in RARE})
    made.setupGlyf({".notdef": empty, "a": square})
    made.setupHorizontalMetrics({".notdef": (1000, 0), "a": (1000, 0)})
    made.setupHorizontalHeader(ascent=900, descent=-100)
    made.setupNameTable({"familyName": "Rare Letters", "styleName": "Regular"})
    made.setupOS2(sTypoAscender=900, usWeightClass=400)
    made.setupPost()
    made.save(tmp_path / "rare.ttf")
    monkeypatch.setattr(fontManager, "ttflist", list(fontManager.ttflist))
    fontManager.addfont(tmp_path / "rare.ttf")
    font_families.cache_clear()
    return tmp_path / "rare.ttf"


def test_a_font_is_found_for_letters_that_the_default_lacks(rare):
    assert font_path("cat").name == font_path("кошка").name == "DejaVuSans.ttf"
    assert font_path(RARE) == rare
    assert font_families("cat") == ["DejaVu Sans"]
    assert font_families(f"cat {RARE}") == ["DejaVu Sans", "Rare Letters"]
    assert missing_letters(f"cat {RARE}") == ""


def test_letters_that_no_font_has_are_named():
    assert missing_letters(f"cat кошка {RARE}{RARE}") == RARE


def ink(picture: Image.Image) -> int:
    return int((np.asarray(picture.convert("L")) < 128).sum())


def test_titles_of_pictures_and_figures_show_them(rare, tmp_path):
    blank = Image.new("RGB", (96, 8), "white")
    words = ["кошка", "кошкакошка", RARE[:1], RARE]
    drawn = [ink(laid([blank], [word], 1, 14)) for word in words]
    assert 1.5 * drawn[0] < drawn[1]  # letters, and not one box for what is unknown
    assert 1.5 * drawn[2] < drawn[3]
    with warnings.catch_warnings():
        warnings.simplefilter("error")  # matplotlib warns of a letter that no font of a title has
        plotted([np.zeros((1, 4, 4))], tmp_path / "a.png", [f"cat {RARE}"])
