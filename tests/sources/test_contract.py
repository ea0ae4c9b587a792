from pathlib import Path
from tempfile import mkdtemp
from zipfile import ZipFile

from difftool.testing import source_contract

PATH = Path(mkdtemp(), "data.zip")
with ZipFile(PATH, "w") as archive:
    archive.writestr("a.dat", "1")
    archive.writestr("b/c.dat", "2")

TestArchive = source_contract("archive", str(PATH), str(PATH.with_name("missing.zip")))
