"""A store that others have: it is waited for, and only the waiting is held up by that."""

from __future__ import annotations

import importlib.util
import pathlib
import sqlite3
import subprocess
import sys
import threading
import time
from contextlib import closing, suppress

import pytest

from autotrace.local.place import StoreError
from autotrace.local.store import Store
from tests.local.test_store import item, lines, read, write
from tests.needs import need

# Writes to a store, and says how long another greenlet was kept from running meanwhile.
GREENLETS = """
from gevent.monkey import patch_all; patch_all()
import sys, time, gevent
from autotrace.local.place import StoreError
from autotrace.local.place import StoreError
from autotrace.local.store import Store
longest = 0
def tick():
    global longest
    while True:
        began = time.monotonic()
        gevent.sleep(0.01)
        longest = max(longest, time.monotonic() - began)
gevent.spawn(tick)
gevent.sleep(0.05)
try:
    Store(sys.argv[1], 7, 500).prepare(1)
except StoreError as error:
    print(error)
gevent.sleep(0.05)
print(longest)
"""


@pytest.mark.parametrize("lock", ["IMMEDIATE", "EXCLUSIVE"])
def test_a_lock_is_waited_for(lock: str, tmp_path: pathlib.Path) -> None:
    write(tmp_path / "t.db", [item(1)])
    with closing(sqlite3.connect(tmp_path / "t.db", isolation_level=None, check_same_thread=False)) as other:
        other.execute(f"BEGIN {lock}")
        threading.Timer(0.5, other.execute, ["COMMIT"]).start()
        began = time.monotonic()
        write(tmp_path / "t.db", [item(2)])
        took = time.monotonic() - began
    assert 0.3 < took < 3
    assert read(tmp_path / "t.db", "SELECT count(*) FROM requests") == [(2,)]


def test_a_reader_of_a_store_that_is_being_made_is_waited_for(tmp_path: pathlib.Path) -> None:
    with closing(sqlite3.connect(tmp_path / "t.db", isolation_level=None, check_same_thread=False)) as other:
        # An empty database, in the mode that SQLite begins with: there a reader keeps a writer from its end.
        other.execute("CREATE TABLE gone (a)")
        other.execute("DROP TABLE gone")
        other.execute("BEGIN")
        other.execute("SELECT * FROM sqlite_master").fetchall()
        threading.Timer(0.5, other.execute, ["COMMIT"]).start()
        store = Store(str(tmp_path / "t.db"), 7, 500)
        store.write_lines(lines([item(1)]), 5)
        store.close()
    assert read(tmp_path / "t.db", "SELECT count(*) FROM requests") == [(1,)]


def test_greenlets_run_while_a_lock_is_waited_for(tmp_path: pathlib.Path) -> None:
    need(importlib.util.find_spec("gevent"), "gevent is not installed")
    write(tmp_path / "t.db", [item(1)])
    with closing(sqlite3.connect(tmp_path / "t.db", isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        command = [sys.executable, "-c", GREENLETS, str(tmp_path / "t.db")]
        said, longest = subprocess.run(command, capture_output=True, check=True, text=True).stdout.splitlines()
    assert said.endswith("database is locked")
    assert float(longest) < 0.5


def test_writers_whose_log_was_deleted_go_on_once_all_have_noticed(tmp_path: pathlib.Path) -> None:
    stores = [Store(str(tmp_path / "t.db"), 7, 500) for _ in range(2)]
    for number, store in enumerate(stores):
        store.write_lines(lines([item(number)]), 5)
    (tmp_path / "t.db-wal").unlink()
    for store in stores * 3:
        with suppress(StoreError):
            store.write_lines(lines([item(2)]), 5)
    stores[0].write_lines(lines([item(3)]), 5)
    for store in stores:
        store.close()
    found = [path for path in tmp_path.glob("*.db") if read(path, f"SELECT 1 FROM requests WHERE id = '{3:016x}'")]
    assert len(found) == 1


def test_a_writer_comes_back_to_the_chosen_file(tmp_path: pathlib.Path) -> None:
    (tmp_path / "t.db").write_text("this is another program's " * 10)
    store = Store(str(tmp_path / "t.db"), 7, 500)
    store.write_lines(lines([item(1)]), 5)
    (tmp_path / "t.db").unlink()
    store.write_lines(lines([item(2)]), 5)
    store.close()
    # Where a viewer that is started now looks.
    assert read(tmp_path / "t.db", "SELECT id FROM requests") == [(f"{2:016x}",)]
