"""The declarations against the header."""

from __future__ import annotations

import ctypes
import re
import unittest
from typing import Any, Dict, List, Tuple
from unittest import mock

from helpers import ROOT
from libotp import Result, _native

HEADER = ROOT / "include" / "otp.h"

#: The functions that are of no use here: Python reads and writes JSON itself, and its senders are callbacks.
NOT_DECLARED = {"otp_reply_integer", "otp_reply_text", "otp_request_text", "otp_request_param", "otp_not_sent"}

TYPES: Dict[str, Any] = {
    "const char *": ctypes.c_char_p,
    "char *": ctypes.c_char_p,
    "uint32_t": ctypes.c_uint32,
    "int32_t": ctypes.c_int32,
    "int64_t": ctypes.c_int64,
    "size_t": ctypes.c_size_t,
    "otp_result": ctypes.c_int32,
    "otp_service *": ctypes.c_void_p,
    "otp_service **": ctypes.POINTER(ctypes.c_void_p),
    "void *": ctypes.c_void_p,
    "void": None,
    "otp_send_fn": _native.SendFunction,
    "otp_log_fn": _native.LogFunction,
    "otp_clock_fn": _native.ClockFunction,
    "otp_drop_fn": _native.DropFunction,
}


def code() -> str:
    """The header without comments, directives and line ends."""
    text = re.sub(r"/\*.*?\*/|//[^\n]*|^#[^\n]*$", "", HEADER.read_text(encoding="utf-8"), flags=re.DOTALL | re.MULTILINE)
    return re.sub(r"\s+", " ", text.replace("OTP_NODISCARD", ""))


def split(declaration: str) -> Any:
    """The type of a parameter, which ends with a name."""
    found = re.fullmatch(r"(.*?)\s*\w+", declaration.strip())
    assert found is not None, declaration
    return TYPES[found.group(1)]


def parameters(text: str) -> List[Any]:
    return [] if text.strip() == "void" else [split(parameter) for parameter in text.split(",")]


def functions() -> Dict[str, Tuple[Any, List[Any]]]:
    found = re.findall(r"((?:const )?\w+ \*?)\s*(otp_\w+)\(([^()]*)\);", code())
    return {name: (TYPES[result.strip()], parameters(arguments)) for result, name, arguments in found}


class Native(unittest.TestCase):
    def test_functions(self) -> None:
        declared = {name: types for name, types in functions().items() if name not in NOT_DECLARED}
        self.assertEqual(declared, _native.PROTOTYPES)
        self.assertEqual(NOT_DECLARED - set(functions()), set())

    def test_callbacks(self) -> None:
        found = re.findall(r"typedef (\w+) \(\*(otp_\w+)\)\(([^()]*)\);", code())
        self.assertEqual(len(found), 4)
        for result, name, arguments in found:
            function = TYPES[name]
            self.assertEqual((function._restype_, list(function._argtypes_)), (TYPES[result], parameters(arguments)), name)

    def test_numbers(self) -> None:
        numbers = {
            name: int(number) for name, number in re.findall(r"^#define OTP_(\w+) \(?(-?\d+)\)?$", HEADER.read_text(), re.MULTILINE)
        }
        self.assertEqual(numbers.pop("REPLY_SIZE"), _native.REPLY_SIZE)
        self.assertEqual(numbers.pop("ABI_VERSION"), _native.ABI_VERSION)
        levels = {name: numbers.pop(name) for name in list(numbers) if name.startswith("LOG_")}
        self.assertEqual(max(levels.values()), _native.LOG_DEBUG)
        results = {result.name: result.value for result in Result if not result.name.startswith("UNKNOWN_")}
        self.assertEqual(results, numbers)

    def test_other_version_of_the_interface_is_refused(self) -> None:
        with mock.patch("ctypes.CDLL") as library:
            library.return_value.otp_abi_version.return_value = _native.ABI_VERSION + 1
            with self.assertRaisesRegex(ImportError, f"version {_native.ABI_VERSION + 1}"):
                _native.load()
            library.return_value.otp_abi_version.return_value = _native.ABI_VERSION
            self.assertIs(_native.load(), library.return_value)

    def test_names(self) -> None:
        for result in Result:
            name = _native.lib.otp_result_name(result.value).decode()
            expected = "UNKNOWN_RESULT" if result.name.startswith("UNKNOWN_") else result.name
            self.assertEqual(name, f"OTP_{expected}")


if __name__ == "__main__":
    unittest.main()
