"""What a method of the service costs beyond the C call: ``python benchmarks/overhead.py``

Each row times the same calls in C through bare ctypes and through :class:`libotp.Service`, in turns, on a repository
in memory, and shows the medians of the rounds.
"""

from __future__ import annotations

import ctypes
import statistics
import time
from typing import Callable, List, Tuple

import libotp
from libotp import _native as native

ROUNDS, CALLS = 15, 2000

_CONFIG = {
    "repository": "memory:",
    "sender": {"type": "none"},
    "policy": {"cooldownSeconds": 0, "sendLimits": []},
}


def microseconds(call: Callable[[], object]) -> float:
    """The time of one call, over many."""
    begun = time.perf_counter_ns()
    for _ in range(CALLS):
        call()
    return (time.perf_counter_ns() - begun) / CALLS / 1000


def measure(bare: Callable[[], object], method: Callable[[], object]) -> Tuple[float, float]:
    """The medians of both."""
    times: List[Tuple[float, float]] = [(microseconds(bare), microseconds(method)) for _ in range(ROUNDS)]
    return statistics.median(first for first, _ in times), statistics.median(second for _, second in times)


def main() -> None:
    otp = libotp.Service(_CONFIG)
    handle, lib = otp._handle, native.lib
    reply = ctypes.create_string_buffer(native.REPLY_SIZE)
    size, token, code = native.REPLY_SIZE, b"session", b"000000"
    request = b'{"phoneNumber":"393331234567"}'
    otp.create("known", phone_number="393331234567")
    rows = [
        ("verify, wrong", lambda: lib.otp_verify(handle, token, code, reply, size), lambda: otp.verify("session", "000000")),
        ("check, wrong", lambda: lib.otp_verify(handle, token, code, reply, size), lambda: otp.check("session", "000000")),
        ("status", lambda: lib.otp_status(handle, b"known", reply, size), lambda: otp.status("known")),
        ("cancel", lambda: lib.otp_cancel(handle, b"known", reply, size), lambda: otp.cancel("known")),
        (
            "create",
            lambda: lib.otp_create(handle, token, request, reply, size),
            lambda: otp.create("session", phone_number="393331234567"),
        ),
    ]
    print(f"{'µs a call':16}{'C by ctypes':>12}{'Service':>12}{'overhead':>12}")
    for name, bare, method in rows:
        first, second = measure(bare, method)
        print(f"{name:16}{first:12.2f}{second:12.2f}{second - first:12.2f}")


if __name__ == "__main__":
    main()
