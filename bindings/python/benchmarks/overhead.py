"""What a method of the service costs beyond the C call: ``python benchmarks/overhead.py``

Each row times the same calls in C through bare ctypes and through :class:`libotp.Service`, in turns, on a repository
in memory, and shows the best of many rounds in processor time of the thread, so that neighbours count little. ctypes
itself is told apart: a call that the library refuses at its first look, when the reply has no room, costs little
else. The overhead over the C call is what the service takes on top of ctypes, and ctypes.
"""

from __future__ import annotations

import ctypes
import time
from typing import Any, Callable, List, Tuple

import libotp
from libotp import _native as native

ROUNDS, CALLS = 40, 500

_CONFIG = {
    "repository": "memory:",
    "sender": {"type": "none"},
    "policy": {"cooldownSeconds": 0, "sendLimits": []},
}


def microseconds(call: Callable[[], object]) -> float:
    """The time of one call, over many."""
    begun = time.thread_time_ns()
    for _ in range(CALLS):
        call()
    return (time.thread_time_ns() - begun) / CALLS / 1000


def measure(calls: List[Callable[[], object]]) -> List[float]:
    """The best of each."""
    return [min(times) for times in zip(*([microseconds(call) for call in calls] for _ in range(ROUNDS)))]


def rows(otp: libotp.Service) -> List[Tuple[str, Any, Tuple[Any, ...], Callable[[], object]]]:
    """What is measured: its name, the C function, its parameters before the reply, and the method."""
    lib, token, code, request = native.lib, b"session", b"000000", b'{"phoneNumber":"393331234567"}'

    def create() -> libotp.Created:
        return otp.create("session", phone_number="393331234567")

    return [
        ("verify, wrong", lib.otp_verify, (token, code), lambda: otp.verify("session", "000000")),
        ("check, wrong", lib.otp_verify, (token, code), lambda: otp.check("session", "000000")),
        ("  and read it", lib.otp_verify, (token, code), lambda: otp.check("session", "000000").attempts_left),
        ("cancel", lib.otp_cancel, (b"known",), lambda: otp.cancel("known")),
        ("status", lib.otp_status, (b"known",), lambda: otp.status("known")),
        ("  and read it", lib.otp_status, (b"known",), lambda: otp.status("known").state),
        ("create", lib.otp_create, (token, request), create),
        ("  and read it", lib.otp_create, (token, request), lambda: create().code),
    ]


def main() -> None:
    otp = libotp.Service(_CONFIG)
    otp.create("known", phone_number="393331234567")
    reply = ctypes.create_string_buffer(native.REPLY_SIZE)
    print(f"{'µs a call':16}{'C by ctypes':>12}{'Service':>12}{'on top':>12}{'ctypes':>12}{'overhead':>12}")
    for name, function, arguments, method in rows(otp):
        parameters = (otp._handle, *arguments, reply)

        def bare(size: int = native.REPLY_SIZE) -> object:
            return function(*parameters, size)

        with_ctypes, alone, whole = measure([bare, lambda: bare(0), method])
        numbers = (with_ctypes, whole, whole - with_ctypes, alone, whole - with_ctypes + alone)
        print(name.ljust(16) + "".join(f"{number:12.2f}" for number in numbers))


if __name__ == "__main__":
    main()
