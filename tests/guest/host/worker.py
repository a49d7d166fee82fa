"""A host in Python that uses the module ``sqlite3``: the commands of ``worker.c``, except a copy of the library."""

import os
import sqlite3
import sys
import threading
from pathlib import Path
from typing import Callable, Dict

import libotp

_, _config, _database = sys.argv
_slots: Dict[int, libotp.Service] = {}
_noisy = threading.Event()
_noise = threading.Thread()


def _told(call: Callable[[], str]) -> str:
    try:
        return call()
    except libotp.Error as error:
        return f"{error.result.name} {error}"


def _read_files() -> None:
    for suffix in ("", "-wal", "-shm", "-lock"):
        try:
            Path(_database + suffix).read_bytes()
        except FileNotFoundError:
            pass


def _use_sqlite(what: str) -> str:
    if what == "files":
        _read_files()
        return "done"
    connection = sqlite3.connect(_database)
    try:
        if what == "backup":
            target = sqlite3.connect(":memory:")
            connection.backup(target)
            target.close()
            return "done"
        row = connection.execute(what).fetchone()
        return "done" if row is None else str(row[-1])
    except sqlite3.Error as error:
        return f"failed: {error}"
    finally:
        connection.close()


def _make_noise() -> None:
    while _noisy.is_set():
        for use in ("SELECT count(*) FROM item", "files", "backup"):
            _use_sqlite(use)


def _set_noise(on: bool) -> str:
    global _noise
    if on == _noisy.is_set():
        return "done"
    if on:
        _noisy.set()
        _noise = threading.Thread(target=_make_noise)
        _noise.start()
    else:
        _noisy.clear()
        _noise.join()
    return "done"


def _in_child(work: Callable[[], str]) -> str:
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        os.write(writer, work().encode())
        os._exit(0)
    os.close(writer)
    with open(reader, encoding="utf-8") as pipe:
        line = pipe.read()
    os.waitpid(child, 0)
    return line


def _open(number: int) -> str:
    _slots[number] = libotp.Service(_config)
    return "OK"


def _close(number: int) -> str:
    _slots.pop(number).close()
    return "OK"


def _status(number: int, token: str) -> str:
    _slots[number].status(token)
    return "OK"


def _obey(line: str) -> str:
    command, _, rest = line.partition(" ")
    if command == "sqlite":
        return _use_sqlite(rest)
    first, *words = rest.split()
    number = int(first)
    if command == "noise":
        return _set_noise(number == 1)
    commands: Dict[str, Callable[[], str]] = {
        "open": lambda: _open(number),
        "close": lambda: _close(number),
        "create": lambda: f"OK {_slots[number].create(*words).code}",
        "verify": lambda: _slots[number].check(*words).result.name,
        "fork": lambda: _in_child(lambda: _told(commands["verify"])),
        "status": lambda: _status(number, *words),
    }
    return _told(commands[command])


print("ready", flush=True)
for _line in sys.stdin:
    print(_obey(_line.strip()), flush=True)
_set_noise(False)
