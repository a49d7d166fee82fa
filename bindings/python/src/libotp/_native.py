"""The C interface: finds the library and declares its functions, in the order of ``otp.h``."""

from __future__ import annotations

import ctypes
import os
import pathlib
import sys
from ctypes import CFUNCTYPE, POINTER, c_char_p, c_int32, c_int64, c_size_t, c_uint32, c_void_p
from typing import Any, Iterator

REPLY_SIZE = 4096
ABI_VERSION = 0

SENT = 1
NOT_SENT = 2
IN_DOUBT = 0

LOG_DEBUG = 4

SendFunction = CFUNCTYPE(c_int32, c_void_p, c_char_p)
LogFunction = CFUNCTYPE(None, c_void_p, c_int32, c_char_p)
ClockFunction = CFUNCTYPE(c_int64, c_void_p)
DropFunction = CFUNCTYPE(None, c_void_p)

_REPLY = [c_char_p, c_size_t]

#: What each function returns and takes.
PROTOTYPES: dict[str, tuple[Any, list[Any]]] = {
    "otp_version": (c_char_p, []),
    "otp_abi_version": (c_uint32, []),
    "otp_open": (c_int32, [c_char_p, POINTER(c_void_p), *_REPLY]),
    "otp_close": (None, [c_void_p]),
    "otp_create": (c_int32, [c_void_p, c_char_p, c_char_p, *_REPLY]),
    "otp_resend": (c_int32, [c_void_p, c_char_p, *_REPLY]),
    "otp_resend_channel": (c_int32, [c_void_p, c_char_p, c_char_p, *_REPLY]),
    "otp_verify": (c_int32, [c_void_p, c_char_p, c_char_p, *_REPLY]),
    "otp_verify_context": (c_int32, [c_void_p, c_char_p, c_char_p, c_char_p, *_REPLY]),
    "otp_cancel": (c_int32, [c_void_p, c_char_p, *_REPLY]),
    "otp_status": (c_int32, [c_void_p, c_char_p, *_REPLY]),
    "otp_webhook": (c_int32, [c_void_p, c_char_p, c_char_p, c_size_t, *_REPLY]),
    "otp_report": (c_int32, [c_void_p, c_char_p, *_REPLY]),
    "otp_run_due": (c_int32, [c_void_p, *_REPLY]),
    "otp_metrics": (c_int32, [c_void_p, *_REPLY]),
    "otp_copy": (c_int32, [c_void_p, c_char_p, c_char_p, *_REPLY]),
    "otp_subject": (c_int32, [c_void_p, c_char_p, *_REPLY]),
    "otp_unlock": (c_int32, [c_void_p, c_char_p, *_REPLY]),
    "otp_erase": (c_int32, [c_void_p, c_char_p, *_REPLY]),
    "otp_on_send": (c_int32, [c_void_p, SendFunction, c_void_p, DropFunction]),
    "otp_on_log": (c_int32, [c_void_p, c_int32, LogFunction, c_void_p, DropFunction]),
    "otp_on_clock": (c_int32, [c_void_p, ClockFunction, c_void_p, DropFunction]),
    "otp_result_name": (c_char_p, [c_int32]),
    "otp_result_message": (c_char_p, [c_int32]),
    "otp_result_http_status": (c_int32, [c_int32]),
}

FILE_NAME = {"darwin": "libotp.dylib", "win32": "otp.dll"}.get(sys.platform, "libotp.so")
_SYSTEM_NAME = {"darwin": "libotp.0.dylib", "win32": "otp.dll"}.get(sys.platform, "libotp.so.0")


def _candidates() -> Iterator[str]:
    """The places to look at, best first; the first that is given is the only one that is tried."""
    bundled = pathlib.Path(__file__).with_name(FILE_NAME)
    if bundled.exists():
        yield str(bundled)
    named = os.environ.get("LIBOTP_LIBRARY")
    if named:
        yield named
    yield _SYSTEM_NAME


def load() -> ctypes.CDLL:
    """Loads the library: the package's own, else the one that ``LIBOTP_LIBRARY`` names, else the system's.

    :raises ImportError: there is none, or it speaks another version of the interface.
    """
    path = next(_candidates())
    try:
        library = ctypes.CDLL(path)
    except OSError as error:
        raise ImportError(f"libotp: the library cannot be loaded: {error}") from error
    for name, (result, arguments) in PROTOTYPES.items():
        try:
            function = getattr(library, name)
        except AttributeError:
            raise ImportError(f"libotp: {path} has no function {name}") from None
        function.restype, function.argtypes = result, arguments
        if name == "otp_abi_version" and function() != ABI_VERSION:
            raise ImportError(f"libotp: {path} has interface version {function()}, and {ABI_VERSION} is needed")
    return library


lib = load()
