"""Mutations of bytes, of JSON and TOML values, of texts and of tables; each is a function of a generator."""

from __future__ import annotations

import json
import math
from copy import deepcopy
from random import Random
from typing import Any

MARK = "\ufffdRAW"
"""Begins a text that stands for its own raw characters in JSON, such as a number of 400 digits."""

VALUES: list[Any] = [
    None, True, False, 0, -1, 1, 2, 7, 0.5, -0.5, 255, 2**31, 2**63, -(2**63), 10**12, 10**30, 1e-300, 1e300,
    math.inf, -math.inf, math.nan, f"{MARK}1e400", MARK + "9" * 400, MARK + "9" * 5000, "", "x", "none", "auto",
    "9" * 5000, "\x00\x1b[31m", "../../x", "é\udce9", [], {}, [[]], [0], [-1, 0], ["x", None], [1] * 300,
    {"x": 1}, {"use": "x"}, {"use": 5}, {"": {}}, MARK + "[" * 500 + "]" * 500, MARK + '{"a":' * 90 + "1" + "}" * 90,
]  # fmt: skip
"""What stands in place of a value: other types, and numbers at the ends of every range."""

TEXTS = [
    "", "0", "-1", "1", "1e400", "nan", "inf", "none", "auto", "x", "9" * 5000, "99999999999", "1e12", "-0.0", "0x16",
    "[", "[1,2,3]", "[[1],[2]]", "{a=1}", '"', "'", "1,2", "64x64", "é", "a.b.c", "\t", "\x1b", "true", "3.5", "[1e400]", "[]",
]  # fmt: skip
"""What stands in place of the text of a setting."""


def changed(data: bytes, rng: Random) -> bytes:
    """Bytes with one to four changes: bits, runs of zeros, cuts, insertions, pieces twice."""
    found = bytearray(data)
    for _ in range(rng.randint(1, 4)):
        at = rng.randrange(len(found) + 1)
        size = min(rng.choice((1, 2, 4, 8, 64, 1024)), len(found) - at)
        match rng.randrange(7):
            case 0:
                found[at : at + size] = rng.randbytes(size)
            case 1:
                found[at : at + size] = bytes(size)
            case 2:
                del found[at : at + size]
            case 3:
                found[at:at] = rng.randbytes(rng.randint(1, 16))
            case 4:
                found[at:at] = found[at : at + size]
            case 5:
                del found[at:]
            case _ if at < len(found):
                found[at] ^= 1 << rng.randrange(8)
    return bytes(found)


def altered(data: Any, rng: Random) -> Any:
    """Plain data with one or two entries removed, replaced, doubled, renamed or exchanged."""
    data = deepcopy(data)
    for _ in range(rng.randint(1, 2)):
        if places := list(_places(data)):
            _alter(*rng.choice(places), rng)
    return data


def _places(data: Any) -> Any:
    entries = (
        data.items()
        if isinstance(data, dict)
        else enumerate(data)
        if isinstance(data, list)
        else ()
    )
    for key, value in entries:
        yield data, key
        yield from _places(value)


def _alter(holder: Any, key: Any, rng: Random) -> None:
    value = holder[key]
    match rng.randrange(6):
        case 0:
            del holder[key]
        case 1 | 2:
            holder[key] = deepcopy(rng.choice(VALUES))
        case 3 if isinstance(value, int | float) and not isinstance(value, bool):
            holder[key] = rng.choice(
                [value * 10**6, -value, value + 1, value / 3, str(value), [value]]
            )
        case 3 if isinstance(value, str):
            holder[key] = rng.choice([value + "x", value[:1], value * 3, value.upper(), [value]])
        case 3 if isinstance(value, list):
            holder[key] = rng.choice(
                [value * 2, value[:-1], value[::-1], dict(enumerate(map(str, value)))]
            )
        case 4 if isinstance(holder, dict):
            holder[str(key) + rng.choice(["x", " ", "."])] = holder.pop(key)
        case 5 if isinstance(holder, dict):
            other = rng.choice(list(holder))
            holder[key], holder[other] = holder[other], value
        case _:
            holder[key] = deepcopy(rng.choice(VALUES))


def as_json(data: Any) -> str:
    """JSON text, with the raw characters of ``MARK`` in place of texts that begin with it."""
    text = json.dumps(data, default=str)
    start = json.dumps(MARK)[1:-1]
    while (at := text.find(f'"{start}')) >= 0:
        end = text.index('"', at + len(start) + 1)
        while text[end - 1] == "\\":
            end = text.index('"', end + 1)
        text = text[:at] + json.loads(text[at : end + 1])[len(MARK) :] + text[end + 1 :]
    return text


def header(file: bytes, rng: Random) -> bytes:
    """A safetensors file whose header says something else; its tensors are as they were."""
    length = int.from_bytes(file[:8], "little")
    whole = json.loads(file[8 : 8 + length])
    metadata = whole["__metadata__"]
    match rng.randrange(10):
        case 0:
            whole = altered(whole, rng)
        case 1:
            key = rng.choice(list(metadata))
            metadata[key] = rng.choice(
                ["", "{", "x", "9" * 5000, "[" * 5000, metadata[key][:-5], "null", "[]"]
            )
        case 2:
            metadata.pop(rng.choice(list(metadata)))
        case _:
            about = altered(json.loads(metadata["about"]), rng)
            metadata["about"] = as_json(about)
    text = as_json(whole).encode("utf-8", "surrogatepass")
    text += b" " * (-len(text) % 8)
    return len(text).to_bytes(8, "little") + text + file[8 + length :]


def toml(text: str, rng: Random) -> bytes:
    """A TOML text with some lines changed, or its bytes."""
    if rng.random() < 0.25:
        return changed(text.encode(), rng)
    lines = text.splitlines()
    for _ in range(rng.randint(1, 3)):
        at = rng.randrange(len(lines))
        key, equals, _ = lines[at].partition("=")
        match rng.randrange(5):
            case 0:
                del lines[at]
            case 1:
                lines.insert(at, lines[rng.randrange(len(lines))])
            case 2 if not equals:
                lines[at] = rng.choice(
                    ["[x]", "[[stage]]", "[]", "[train.x]", "[conditions.class]"]
                )
            case _ if equals:
                lines[at] = f"{key}= {setting(rng)}"
        if not lines:
            break
    return "\n".join(lines).encode("utf-8", "surrogatepass")


def setting(rng: Random) -> str:
    """The text of a value."""
    if rng.random() < 0.5:
        return str(rng.choice([1, -1]) * 10 ** rng.randrange(16) * rng.choice([1, 0.5, 3]))
    return rng.choice(TEXTS)


def rows(text: str, rng: Random) -> bytes:
    """A CSV table or JSON lines, with cells and rows changed."""
    if rng.random() < 0.3:
        return changed(text.encode(), rng)
    lines = text.splitlines()
    for _ in range(rng.randint(1, 3)):
        at = rng.randrange(len(lines))
        cells = lines[at].split(",")
        cells[rng.randrange(len(cells))] = rng.choice(['"', *TEXTS])
        lines[at] = ",".join(cells) * rng.choice([1, 1, 1, 2])
        if rng.random() < 0.2:
            lines.insert(at, rng.choice(lines))
    return "\n".join(lines).encode("utf-8", "surrogatepass")
