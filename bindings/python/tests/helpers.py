"""What the tests share."""

from __future__ import annotations

import os
import pathlib
import subprocess
import sys
import tempfile
import unittest
from typing import Any, Dict, List, Mapping, Optional

import libotp

#: The checkout.
ROOT = pathlib.Path(__file__).resolve().parents[3]
NUMBER = "393331234567"
#: Switches the send limits off.
NO_LIMITS: Mapping[str, Any] = {"cooldownSeconds": 0, "sendLimits": []}
#: Longer than anything here takes, on any machine.
HANGS_SECONDS = 120


def size(small: int, full: int) -> int:
    """The size of a campaign: ``OTP_TEST_SIZE=small`` (the default) or ``full``."""
    return {"small": small, "full": full}[os.environ.get("OTP_TEST_SIZE", "small")]


def missing(what: str) -> None:
    """Leaves a test out, when something is missing; with ``OTP_TEST_ALL=1`` that is a failure."""
    if os.environ.get("OTP_TEST_ALL") == "1":
        raise AssertionError(f"{what} is missing, and OTP_TEST_ALL=1 needs it")
    print(f"SKIPPED, since {what} is missing", file=sys.stderr)
    raise unittest.SkipTest(f"{what} is missing")


def wrong(code: str) -> str:
    """A code that is wrong."""
    return "".join(str((int(digit) + 1) % 10) for digit in code)


class Gateway:
    """A sender that remembers what it was given."""

    def __init__(self) -> None:
        self.messages: List[libotp.Message] = []
        #: Raised instead of sending.
        self.error: Optional[BaseException] = None

    def __call__(self, message: libotp.Message) -> None:
        self.messages.append(message)
        if self.error is not None:
            raise self.error

    def code(self, token: str) -> str:
        return next(message.code for message in reversed(self.messages) if message.token == token)


class Case(unittest.TestCase):
    """A test with a folder and services of its own."""

    def setUp(self) -> None:
        folder = tempfile.TemporaryDirectory(prefix="libotp-")
        self.addCleanup(folder.cleanup)
        self.folder = pathlib.Path(folder.name)

    def config(self, **members: Any) -> Dict[str, Any]:
        return {"repository": f"sqlite:{self.folder}/otp.db", "policy": NO_LIMITS, **members}

    def open(self, sender: Any = None, logger: Any = None, clock: Any = None, **members: Any) -> libotp.Service:
        """A service, with sender "none" unless a function or another is given."""
        if sender is None:
            members.setdefault("sender", {"type": "none"})
        service = libotp.Service(self.config(**members), sender=sender, logger=logger, clock=clock)
        self.addCleanup(service.close)
        return service

    def python(self, source: str, *arguments: str) -> "subprocess.CompletedProcess[str]":
        """Runs a program in an interpreter of its own."""
        return subprocess.run(
            [sys.executable, "-X", "faulthandler", "-c", source, *arguments],
            cwd=self.folder, env=environment(), capture_output=True, text=True, timeout=HANGS_SECONDS,
        )  # fmt: skip


def environment() -> Dict[str, str]:
    """The variables for a program that imports what the tests import."""
    path = os.pathsep.join([str(pathlib.Path(libotp.__file__).parents[1]), *filter(None, [os.environ.get("PYTHONPATH")])])
    return {**os.environ, "PYTHONPATH": path}
