"""One of a swarm, in Python over plain ctypes: see ``tests/swarm.rs``."""

import ctypes
import sys
import time

REPLY_SIZE = 4096


def main(library: str, config: str) -> None:
    otp = ctypes.CDLL(library)
    service = ctypes.c_void_p()
    reply = ctypes.create_string_buffer(REPLY_SIZE)
    otp.otp_result_name.restype = ctypes.c_char_p
    opened = otp.otp_open(config.encode(), ctypes.byref(service), reply, ctypes.c_size_t(REPLY_SIZE))
    if opened != 0:
        sys.exit(reply.value.decode())
    print("ready", flush=True)
    for line in sys.stdin:
        token, code, start = line.split()
        time.sleep(max(0.0, int(start) / 1e6 - time.time()))
        result = otp.otp_verify(service, token.encode(), code.encode(), reply, ctypes.c_size_t(REPLY_SIZE))
        print(otp.otp_result_name(result).decode()[len("OTP_") :], flush=True)
    otp.otp_close(service)


main(*sys.argv[1:])
