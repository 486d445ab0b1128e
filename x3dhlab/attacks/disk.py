"""A private key that was deleted, and is still on the disk.

Precondition: the thief gets a copy of the storage after the deletion. Databases mark space as free
and write over it later, or never. The owner notices nothing: every query says that the row is gone.
"""

import sqlite3
import tempfile
from pathlib import Path


def deleted_row(value: bytes, *, overwrite: bool) -> tuple[int, bool]:
    """Store a value in a SQLite file and delete it: (rows left, are its bytes in the file?).

    `overwrite` is SQLite's `secure_delete`. Solid-state disks keep copies of their own; this
    cannot show them.
    """
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "keys.db"
        database = sqlite3.connect(path)
        database.execute(f"PRAGMA secure_delete = {int(overwrite)}")
        database.execute("CREATE TABLE keys (number INTEGER PRIMARY KEY, private)")
        with database:
            database.execute("INSERT INTO keys VALUES (1, ?)", (value,))
        with database:
            database.execute("DELETE FROM keys WHERE number = 1")
        rows = database.execute("SELECT count(*) FROM keys").fetchone()[0]
        database.close()
        return rows, value in path.read_bytes()
