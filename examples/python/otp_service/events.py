"""The log: one event a line, in JSON, on standard output, and nothing else there. The library's events come as they are,
and the service's own have the same form. What people read is on standard error."""

from __future__ import annotations

import contextlib
import datetime
import json
import logging
import sys
from typing import Any, Mapping

import libotp

#: Levels, as the library has them.
ERROR, WARNING, INFO = 1, 2, 3


def from_library(level: int, event: Mapping[str, Any]) -> None:
    """Writes an event of the library."""
    if level >= logging.INFO:
        write(event)


def write(event: Mapping[str, Any]) -> None:
    # A log that nobody reads any more is no reason to fail. The line is one write: threads do not mix.
    with contextlib.suppress(OSError):
        sys.stdout.write(json.dumps(event) + "\n")
        sys.stdout.flush()


def log(level: int, event: str, **members: Any) -> None:
    """Writes an event of the service, with its own members."""
    now = datetime.datetime.now(datetime.timezone.utc).isoformat(timespec="milliseconds")
    write({"time": now.replace("+00:00", "Z"), "level": level, "event": event, **members})


def failed(error: libotp.Error) -> None:
    """Writes that a call of the library failed. Its text holds no secret."""
    log(ERROR, "failure", result=f"OTP_{error.result.name}", message=str(error))
