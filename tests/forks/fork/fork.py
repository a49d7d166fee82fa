"""os.fork while other threads of the interpreter are inside clock and send callbacks: fork.py LIBRARY REPOSITORY ROUNDS"""

import ctypes
import faulthandler
import json
import os
import sys
import threading
import time

LIBRARY, REPOSITORY, ROUNDS = sys.argv[1], sys.argv[2], int(sys.argv[3])
CHILDREN, BUSY = 8, 4
OK, CHECKED = 0, 2

faulthandler.dump_traceback_later(500, exit=True)
otp = ctypes.CDLL(LIBRARY)
Clock = ctypes.CFUNCTYPE(ctypes.c_int64, ctypes.c_void_p)
Send = ctypes.CFUNCTYPE(ctypes.c_int32, ctypes.c_void_p, ctypes.c_char_p)
otp.otp_open.argtypes = [ctypes.c_char_p, ctypes.POINTER(ctypes.c_void_p), ctypes.c_char_p, ctypes.c_size_t]
otp.otp_create.argtypes = [ctypes.c_void_p, ctypes.c_char_p, ctypes.c_char_p, ctypes.c_char_p, ctypes.c_size_t]
otp.otp_verify.argtypes = [ctypes.c_void_p, ctypes.c_char_p, ctypes.c_char_p, ctypes.c_char_p, ctypes.c_size_t]
otp.otp_close.argtypes = [ctypes.c_void_p]
otp.otp_close.restype = None
otp.otp_on_send.argtypes = [ctypes.c_void_p, Send, ctypes.c_void_p, ctypes.c_void_p]
otp.otp_on_clock.argtypes = [ctypes.c_void_p, Clock, ctypes.c_void_p, ctypes.c_void_p]

parent = os.getpid()
codes = {}
held = threading.Event()  # when clear, the threads "held" stay inside a callback
inside = threading.Semaphore(0)


def stay():
    if os.getpid() == parent and threading.current_thread().name.startswith("held"):
        inside.release()
        held.wait()


@Clock
def clock(_):
    if threading.current_thread().name == "held in clock":
        stay()
    return int(time.time() * 1000)


@Send
def send(_, message):
    if threading.current_thread().name == "held in send":
        stay()
    message = json.loads(message)
    codes[message["token"]] = message["code"]
    return 1


service = ctypes.c_void_p()
config = {"repository": REPOSITORY, "sender": {"type": "host"}, "policy": {"cooldownSeconds": 0, "sendLimits": []}}
assert otp.otp_open(json.dumps(config).encode(), ctypes.byref(service), None, 0) == OK
assert otp.otp_on_send(service, send, None, None) == OK
assert otp.otp_on_clock(service, clock, None, None) == OK


def work(token):
    name = token.encode()
    created = otp.otp_create(service, name, b'{"phoneNumber": "393331234567"}', None, 0)
    if created != OK:
        return "%s: create %d" % (token, created)
    code = codes[token].encode()
    answers = [otp.otp_verify(service, name, code, None, 0) for _ in range(2)]
    return None if answers == [OK, CHECKED] else "%s: verify %s" % (token, answers)


failures = []
stop = threading.Event()


def busy(thread):
    number = 0
    while not stop.is_set():
        failures.extend(filter(None, [work("parent %d %d" % (thread, number))]))
        number += 1
    if number == 0:
        failures.append("thread %d did nothing" % thread)


def check_alive(process, deadline):
    while time.monotonic() < deadline:
        ended, status = os.waitpid(process, os.WNOHANG)
        if ended:
            return None if status == 0 else "child: %#x" % status
        time.sleep(0.001)
    os.kill(process, 9)
    os.waitpid(process, 0)
    return "a child hangs"


threads = [threading.Thread(target=busy, args=(thread,)) for thread in range(BUSY)]
for thread in threads:
    thread.start()
for number in range(ROUNDS):
    held.clear()
    stayers = [
        threading.Thread(target=lambda name=name: failures.extend(filter(None, [work("%s %d" % (name, number))])), name=name)
        for name in ("held in clock", "held in send")
    ]
    for thread in stayers:
        thread.start()
    for _ in stayers:
        inside.acquire()
    children = []
    for child in range(CHILDREN):
        process = os.fork()
        if process == 0:
            failure = work("child %d %d" % (number, child))
            otp.otp_close(service)
            if failure:
                os.write(2, failure.encode() + b"\n")
            os._exit(1 if failure else 0)
        children.append(process)
    deadline = time.monotonic() + 60
    failures.extend(filter(None, [check_alive(child, deadline) for child in children]))
    held.set()
    for thread in stayers:
        thread.join()
    if failures:
        break
stop.set()
for thread in threads:
    thread.join()
otp.otp_close(service)
if failures:
    sys.exit("\n".join(failures))
print("done")
