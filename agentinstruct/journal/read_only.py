"""Opens a SQLite file to look into it, also on a read-only disk and while another process writes; changes no file."""

from __future__ import annotations

import shutil
import sqlite3
import tempfile
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from urllib.parse import quote


@contextmanager
def open_read_only(path: Path) -> Iterator[sqlite3.Connection]:
    """Yield a connection that sees all that is committed; raises `sqlite3.Error`.

    A write-ahead log holds commits that are not in the file yet. Where there is none the file is all there is, and
    SQLite is told so, or it would want to make one. Where there is one that cannot be read in its place, for want of
    its index (`-shm`), a copy is looked into.
    """
    log = path.with_name(path.name + "-wal")
    if not log.exists() or not log.stat().st_size:
        with closing(_connect(path, "mode=ro&immutable=1")) as connection:
            yield connection
    elif path.with_name(path.name + "-shm").exists():
        with closing(_connect(path, "mode=ro")) as connection:
            yield connection
    else:
        with tempfile.TemporaryDirectory() as folder:
            for each in (path, log):
                shutil.copyfile(each, Path(folder) / each.name)
            with closing(_connect(Path(folder) / path.name, "mode=rw")) as connection:
                yield connection


def _connect(path: Path, how: str) -> sqlite3.Connection:
    connection = sqlite3.connect(
        f"file:{quote(str(path.absolute()))}?{how}", uri=True, isolation_level=None, check_same_thread=False, timeout=30
    )
    try:
        connection.execute("SELECT count(*) FROM sqlite_schema")  # only now it is opened
    except sqlite3.Error:
        connection.close()
        raise
    return connection
