"""Reads the declarations as they are, with cffi, and uses up a code: python3 embed.py otp.cdef.h libotp.so"""

import pathlib
import sys

import cffi

ffi = cffi.FFI()
ffi.cdef(pathlib.Path(sys.argv[1]).read_text())
otp = ffi.dlopen(sys.argv[2])
reply = ffi.new("char[]", otp.OTP_REPLY_SIZE)
opened = ffi.new("otp_service **")


def must(result: int, wanted: int, what: str) -> None:
    if result != wanted:
        raise SystemExit(f"{what}: {result}")


config = b'{"repository": "memory:", "sender": {"type": "none"}}'
must(otp.otp_open(config, opened, reply, len(reply)), otp.OTP_OK, "open")
service = opened[0]
request = b'{"phoneNumber": "+39 333 123 4567"}'
must(otp.otp_create(service, b"session", request, reply, len(reply)), otp.OTP_OK, "create")
text = ffi.new("char[32]")
assert otp.otp_reply_text(reply, b"code", text, len(text)) == 6
code = ffi.string(text)
must(otp.otp_verify(service, b"session", code[:3] + b" " + code[3:], reply, len(reply)), otp.OTP_OK, "verify")
must(otp.otp_verify(service, b"session", code, reply, len(reply)), otp.OTP_CHECKED, "verify again")
must(otp.otp_verify(service, b"session", b"", reply, len(reply)), otp.OTP_E_ARGUMENT, "verify nothing")
otp.otp_close(service)
print("good once")
