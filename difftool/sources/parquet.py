"""Parquet files whose rows hold the content of files, as data sets on Hugging Face's hub do.

One column holds the files: bytes, or a struct of ``bytes`` and ``path``. The other columns become
the columns of ``metadata.csv``. What the files are, pictures or sounds, is left to the modality.
"""

from __future__ import annotations

import csv
import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path, PurePosixPath
from typing import Any, TextIO

import pyarrow as pa
import pyarrow.parquet as pq

from ..data.folder import FILE_NAME, METADATA
from ..data.remark import remark
from ..errors import DataError
from ..source import Source
from .options import ParquetOptions
from .signatures import suffix_of

ROWS = 64
"""Rows in memory at once."""

GIGABYTE = 10**9

_SHARD = re.compile(r"(?P<split>.+)-\d{5}-of-\d{5}$")


class Parquet(Source):
    """One Parquet file, several (``train-*.parquet``), or a folder of them.

    Shards of several splits (``train-00000-of-00002``, ``test-00000-of-00001``) become a folder for
    each split.
    """

    options: ParquetOptions

    def identity(self, path: str) -> str:
        stats = ((file.absolute(), file.stat()) for file in files_of(path))
        return "\n".join(f"{file} {stat.st_size} {stat.st_mtime_ns}" for file, stat in stats)

    def fill(self, path: str, folder: Path) -> None:
        omitted, tables = set[str](), dict[str, _Table]()
        packed = sum(file.stat().st_size for file in files_of(path))
        self._room = int(max(GIGABYTE, packed * self.options.max_ratio))
        with ExitStack() as stack:
            for file in files_of(path):
                with _naming(file), pq.ParquetFile(file) as opened:
                    content = self._content(file, opened.schema_arrow)
                    columns = _columns(opened.schema_arrow, content)
                    omitted |= {*opened.schema_arrow.names} - {content, FILE_NAME, *columns}
                    split = _split(file)
                    if split not in tables:
                        (folder / split).mkdir(exist_ok=True)
                        sheet = open(  # noqa: SIM115 (the stack closes it)
                            folder / split / METADATA[0], "w", newline="", encoding="utf-8"
                        )
                        tables[split] = _Table(folder / split, columns, stack.enter_context(sheet))
                    self._add(opened, file, content, columns, tables[split])
        if empty := sum(table.empty for table in tables.values()):
            remark(f"skipped in {path}: {empty:,} rows without the bytes of a file")
        if omitted:
            names = ", ".join(sorted(omitted))
            remark(f"columns of {path} that hold neither texts nor numbers are not used: {names}")

    def _content(self, file: Path, schema: pa.Schema) -> str:
        """The name of the column with the files."""
        found = [field.name for field in schema if _holds_bytes(field.type)]
        if self.options.column in found:
            return self.options.column
        choose = "Choose it with --set source.use=parquet --set source.column=NAME."
        if self.options.column:
            raise DataError(
                f"source.column = {self.options.column!r} is not a column of {file} that holds "
                f"bytes. Those are: {', '.join(found) or 'none'}."
            )
        if len(found) > 1:
            raise DataError(f"{file} has several columns of files: {', '.join(found)}. {choose}")
        if not found:
            raise DataError(
                f"{file} has no column of files, but only {', '.join(schema.names)}. One column "
                "must hold the bytes of a file in each row, or a struct with a field 'bytes'."
            )
        return found[0]

    def _add(
        self,
        opened: pq.ParquetFile,
        file: Path,
        content: str,
        columns: Mapping[str, Labels],
        table: _Table,
    ) -> None:
        """Write the files and the columns of all rows."""
        if [*columns] != table.columns:
            raise DataError(
                f"{file} has the columns {', '.join(columns)}, but an earlier file has "
                f"{', '.join(table.columns)}. Pass them one by one, or a pattern for one of them."
            )
        for batch in opened.iter_batches(ROWS, columns=[content, *columns]):
            for row in batch.to_pylist():
                held = (
                    row[content] if isinstance(row[content], Mapping) else {"bytes": row[content]}
                )
                if not (data := held.get("bytes")):
                    table.empty += 1
                    continue
                self._room -= len(data)
                if self._room < 0:
                    raise DataError(
                        f"{file} unpacks to more than {self.options.max_ratio:g} times its own "
                        "size (source.max_ratio). Raise this setting if you trust the file; the "
                        "limit keeps a small file from filling the disk."
                    )
                suffix = self.options.suffix or _suffix(held.get("path")) or suffix_of(data)
                if not suffix:
                    raise DataError(
                        f"{file} does not say what kind of file row {table.count} of {content!r} "
                        "is. Say it with --set source.use=parquet --set source.suffix=.EXT."
                    )
                table.add(data, suffix, [_cell(row[name], of) for name, of in columns.items()])


Labels = Sequence[str]
"""The names of a column's numbers; empty if they are numbers."""


class _Table:
    """A folder of numbered files and the sheet of their columns.

    Attributes:
        count, empty: rows written, and rows without a file.
    """

    def __init__(self, folder: Path, columns: Iterable[str], sheet: TextIO) -> None:
        self.folder, self.columns = folder, list(columns)
        self.count = self.empty = 0
        self._rows = csv.writer(sheet)
        self._rows.writerow([FILE_NAME, *columns])

    def add(self, data: bytes, suffix: str, cells: Sequence[str]) -> None:
        name = f"{self.count:08d}{suffix}"
        (self.folder / name).write_bytes(data)
        self._rows.writerow([name, *cells])
        self.count += 1


def files_of(path: str) -> list[Path]:
    """The Parquet files that a path names, in order. Raises DataError if there are none."""
    where = Path(path)
    if where.is_dir():
        found = sorted(file for file in where.iterdir() if file.suffix.lower() == ".parquet")
    elif "*" in where.name:
        found = sorted(where.parent.glob(where.name))
    else:
        found = [where] if where.is_file() else []
    if not found:
        raise DataError(
            f"{path} does not exist. Pass a Parquet file, a folder of them, or a pattern such as "
            "'data/train-*.parquet'."
        )
    return found


def _split(file: Path) -> str:
    """The split of a shard; empty for a file that is not named as a shard."""
    found = _SHARD.match(file.stem)
    return found["split"] if found else ""


def _holds_bytes(kind: pa.DataType) -> bool:
    if pa.types.is_struct(kind):
        return any(field.name == "bytes" and _is_binary(field.type) for field in kind)
    return _is_binary(kind)


def _is_binary(kind: pa.DataType) -> bool:
    return pa.types.is_binary(kind) or pa.types.is_large_binary(kind)


def _columns(schema: pa.Schema, content: str) -> dict[str, Labels]:
    """The columns of texts, numbers and lists of them, with the names of their numbers."""
    features = _features(schema)
    return {
        field.name: features.get(field.name, ())
        for field in schema
        if field.name not in (content, FILE_NAME) and _is_plain(field.type)
    }


def _is_plain(kind: pa.DataType) -> bool:
    if pa.types.is_list(kind) or pa.types.is_large_list(kind):
        return _is_plain(kind.value_type)
    if pa.types.is_dictionary(kind):
        return _is_plain(kind.value_type)
    is_text = pa.types.is_string(kind) or pa.types.is_large_string(kind)
    is_number = pa.types.is_integer(kind) or pa.types.is_floating(kind)
    return is_text or is_number or pa.types.is_boolean(kind)


def _features(schema: pa.Schema) -> dict[str, Labels]:
    """The names of labels that are stored as numbers, as the library ``datasets`` notes them."""
    try:
        about = json.loads((schema.metadata or {})[b"huggingface"])["info"]["features"]
        return {
            name: tuple(map(str, kind["names"]))
            for name, kind in about.items()
            if isinstance(kind, dict) and kind.get("_type") == "ClassLabel"
        }
    except (KeyError, ValueError, TypeError, AttributeError):
        return {}


def _suffix(name: str | None) -> str:
    """The suffix of a file's name; empty if it has none that is plain."""
    suffix = PurePosixPath(name or "").suffix.lower()
    return suffix if re.fullmatch(r"\.\w+", suffix) else ""


def _cell(value: Any, labels: Labels) -> str:
    """A value as a table has it: a label by its name, a list with semicolons, null empty."""
    if value is None:
        return ""
    if isinstance(value, list):
        return ";".join(_cell(one, labels) for one in value)
    if labels and isinstance(value, int):
        return labels[value] if 0 <= value < len(labels) else ""
    return str(value)


@contextmanager
def _naming(file: Path) -> Iterator[None]:
    """Raise DataError that names a broken file; system errors (a full disk) pass through."""
    try:
        yield
    except (pa.ArrowException, OSError) as error:
        if isinstance(error, OSError) and error.errno is not None:
            raise
        raise DataError(
            f"{file} cannot be read as a Parquet file: {error}. Download it again: it is probably "
            "damaged."
        ) from error
