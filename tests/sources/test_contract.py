from pathlib import Path
from tempfile import mkdtemp
from zipfile import ZipFile

import pyarrow as pa
import pyarrow.parquet as pq

from difftool.testing import source_contract

PATH = Path(mkdtemp(), "data.zip")
with ZipFile(PATH, "w") as archive:
    archive.writestr("a.dat", "1")
    archive.writestr("b/c.dat", "2")

TestArchive = source_contract("archive", str(PATH), str(PATH.with_name("missing.zip")))

ROWS = Path(mkdtemp(), "rows.parquet")
pq.write_table(pa.table({"file": [b"GIF8", b"BM"], "label": ["a", "b"]}), ROWS)

TestParquet = source_contract("parquet", str(ROWS), str(ROWS.with_name("missing.parquet")))
