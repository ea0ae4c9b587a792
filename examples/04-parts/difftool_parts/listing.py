"""A text file with the path of one file on each line, such as a search writes."""

import shutil
from pathlib import Path

from difftool import DataError, Source


class Listing(Source):
    def identity(self, path):
        stats = [(file, file.stat()) for file in self._files(path)]
        return "\n".join(f"{file} {stat.st_size} {stat.st_mtime_ns}" for file, stat in stats)

    def fill(self, path, folder):
        for number, file in enumerate(self._files(path)):
            shutil.copyfile(file, folder / f"{number:06d}-{file.name}")

    def _files(self, path):
        try:
            lines = Path(path).read_text(encoding="utf-8").splitlines()
        except OSError as error:
            raise DataError(
                f"{path} cannot be read: {error.strerror}. Pass a text file with one path on each line."
            ) from None
        files = [Path(path).parent / line.strip() for line in lines if line.strip()]
        if missing := [file for file in files if not file.is_file()]:
            raise DataError(
                f"{path} names {missing[0]}, which does not exist. Remove the line, or bring the file back."
            )
        return files
