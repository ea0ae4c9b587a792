"""read_text: the text of a user's file, whatever its encoding."""

from __future__ import annotations

import codecs
import csv
from pathlib import Path

from ..errors import DataError
from ..files import contents
from ..names import WESTERN
from .remark import remark

csv.field_size_limit(1 << 30)  # a caption may be longer than the 128 kB that a cell may have

MARKS = {
    codecs.BOM_UTF8: "utf-8-sig",
    codecs.BOM_UTF32_LE: "utf-32",
    codecs.BOM_UTF32_BE: "utf-32",
    codecs.BOM_UTF16_LE: "utf-16",
    codecs.BOM_UTF16_BE: "utf-16",
}
"""Byte order marks and their encodings; UTF-32 comes before UTF-16, whose marks begin the same."""


def read_text(path: Path) -> str:
    """The text of a file, decoded by its byte order mark, else as UTF-8, else as Windows-1252.

    Windows-1252 is a guess, so it leaves a remark.

    Raises:
        DataError: the file cannot be read, or does not match its byte order mark.
    """
    try:
        data = contents(path)
    except OSError as error:
        raise DataError(
            f"{path} cannot be read: {error.strerror}. Check its permissions, or make it smaller."
        ) from None
    encoding = next((name for mark, name in MARKS.items() if data.startswith(mark)), "utf-8")
    try:
        return data.decode(encoding)
    except UnicodeDecodeError as error:
        if encoding != "utf-8":
            raise DataError(
                f"{path} begins with the byte order mark of {encoding}, but is not valid "
                f"{encoding}. Save it as UTF-8."
            ) from None
        byte = f"byte {error.start} is {data[error.start]:#04x}"
    remark(
        f"{path} is not UTF-8 text ({byte}); it was read as Windows-1252. Save it as UTF-8 if "
        "letters look wrong"
    )
    return data.decode(WESTERN, errors="replace")
