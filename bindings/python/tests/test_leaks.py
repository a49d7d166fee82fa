"""Nothing is left behind: services, calls and callbacks that raise, by the hundred thousand."""

from __future__ import annotations

import gc
import os
import resource
import sys
import unittest
from typing import Any, Callable
from unittest import mock

import libotp
from helpers import NUMBER, Case, size
from libotp import _callbacks

#: What may come on top: pages of the allocators, which come and go.
SLACK_KIB = 6 * 1024


def resident_kib() -> int:
    """The memory that the process has now, or where that is not told its largest."""
    gc.collect()
    try:
        with open("/proc/self/statm", encoding="ascii") as file:
            return int(file.read().split()[1]) * resource.getpagesize() // 1024
    except OSError:
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss


class Leaks(Case):
    def is_flat(self, rounds: int, work: Callable[[int], object]) -> None:
        """Whether the memory stays what it is after the first tenth."""
        warm = max(rounds // 10, 100)
        for number in range(warm):
            work(number)
        before, callables, files = resident_kib(), len(_callbacks._callables), self.open_files()
        for number in range(rounds):
            work(number)
        self.assertLess(resident_kib() - before, SLACK_KIB)
        self.assertEqual((len(_callbacks._callables), self.open_files()), (callables, files))

    @staticmethod
    def open_files() -> int:
        return len(os.listdir("/proc/self/fd")) if os.path.exists("/proc/self/fd") else 0

    def test_services(self) -> None:
        config = {"repository": "memory:", "policy": {"cooldownSeconds": 0, "sendLimits": []}}

        def work(number: int) -> None:
            otp = libotp.Service(config, sender=lambda message: None, logger=lambda *event: None)
            if number % 2:
                otp.close()

        self.is_flat(size(1000, 100_000), work)

    def test_calls(self) -> None:
        otp = libotp.Service({"repository": "memory:", "sender": {"type": "none"}, "policy": {"cooldownSeconds": 0, "sendLimits": []}})
        self.addCleanup(otp.close)

        def work(number: int) -> None:
            kind = number % 4
            if kind == 0:
                otp.create(f"token {number % 64}", phone_number=NUMBER, context="x" * 1000)
            elif kind == 1:
                otp.check(f"token {(number - 1) % 64}", "000000", "x" * 1000)
            elif kind == 2:
                otp.status(f"token {(number - 2) % 64}")
            else:
                otp.unlock(NUMBER)
                with self.assertRaises(libotp.ArgumentError):
                    otp.create("token", phone_number="none")

        self.is_flat(size(10_000, 1_000_000), work)

    def test_callbacks_that_raise(self) -> None:
        def fail(*_: Any) -> Any:
            raise OSError("x" * 10_000)

        config = {"repository": "memory:", "policy": {"cooldownSeconds": 0, "sendLimits": []}}
        otp = libotp.Service(config, sender=fail, logger=fail, clock=fail)
        self.addCleanup(otp.close)

        def work(number: int) -> None:
            with self.assertRaises(libotp.SendError):
                otp.create(f"token {number % 64}", phone_number=NUMBER)

        # A mock would keep what it was told.
        with mock.patch.object(sys, "unraisablehook", lambda told: None):
            self.is_flat(size(300, 10_000), work)


if __name__ == "__main__":
    unittest.main()
