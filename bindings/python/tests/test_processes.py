"""Forks, gunicorn, and the end of the interpreter."""

from __future__ import annotations

import concurrent.futures
import functools
import http.client
import importlib.util
import os
import signal
import socket
import subprocess
import sys
import textwrap
import threading
import time
import unittest
from typing import List

import libotp
from helpers import HANGS_SECONDS, NUMBER, Case, Gateway, environment, missing, size

WEB = """
import os, time, libotp
otp = libotp.Service({"repository": "sqlite:otp.db", "sender": {"type": "none"}, "policy": {"cooldownSeconds": 0, "sendLimits": []}})

def application(environ, start_response):
    token = environ["PATH_INFO"]
    time.sleep(0.02)  # so that others are asked meanwhile
    created = otp.create(token, phone_number="393331234567")
    answer = f"{os.getpid()} {otp.verify(token, created.code)} {otp.verify(token, created.code)}".encode()
    start_response("200 OK", [("Content-Length", str(len(answer)))])
    return [answer]
"""

EXIT = """
import sys, threading, time
import libotp

config = {"repository": "sqlite:otp.db", "policy": {"cooldownSeconds": 0, "sendLimits": []}, "sender": {"type": "host"}}
services = [libotp.Service(config, sender=lambda message: time.sleep(0.001), clock=time.time, logger=lambda *event: None) for _ in range(5)]

def work(otp, number):
    try:
        while True:
            otp.create(f"token {number}", phone_number="393331234567")
    except libotp.ArgumentError:
        pass  # the service was closed at the exit

for number, otp in enumerate(services * 2):
    threading.Thread(target=work, args=(otp, number), daemon=True).start()
time.sleep(0.3)
print("end")
"""


class Forks(Case):
    def in_child(self, work: object) -> int:
        process = os.fork()
        if process == 0:
            is_good = False
            try:
                is_good = work()  # type: ignore[operator]
            finally:
                os._exit(0 if is_good else 1)
        return process

    def ended_well(self, process: int) -> None:
        deadline = time.monotonic() + HANGS_SECONDS
        while time.monotonic() < deadline:
            ended, status = os.waitpid(process, os.WNOHANG)
            if ended:
                self.assertEqual(status, 0)
                return
            time.sleep(0.001)
        os.kill(process, signal.SIGKILL)
        os.waitpid(process, 0)
        self.fail("a child hangs")

    def test_fork_while_threads_work(self) -> None:
        gateway = Gateway()
        otp = self.open(gateway, clock=time.time, logger=lambda level, event: None)
        stop, failures = threading.Event(), []

        def round_of(token: str) -> bool:
            otp.create(token, phone_number=NUMBER)
            code = gateway.code(token)
            return [otp.verify(token, code), otp.verify(token, code)] == [True, False]

        def busy(name: str) -> None:
            number = 0
            while not stop.is_set():
                if not round_of(f"{name} {number}"):
                    failures.append(name)
                number += 1

        threads = [threading.Thread(target=busy, args=(f"thread {number}",)) for number in range(3)]
        for thread in threads:
            thread.start()
        try:
            for number in range(size(30, 500)):

                def child(number: int = number) -> bool:
                    is_good = round_of(f"child {number}")
                    otp.close()
                    return is_good

                self.ended_well(self.in_child(child))
        finally:
            stop.set()
            for thread in threads:
                thread.join()
        self.assertEqual(failures, [])

    def test_fork_in_a_sender(self) -> None:
        parent = os.getpid()
        children: List[int] = []

        def send(message: libotp.Message) -> None:
            process = self.in_child(lambda: otp.status(message.token).state == "pending")
            children.append(process)

        otp = self.open(send)
        otp.create("session", phone_number=NUMBER)
        self.assertEqual(os.getpid(), parent)
        self.ended_well(children[0])

    def test_gunicorn(self) -> None:
        if importlib.util.find_spec("gunicorn") is None:
            missing("gunicorn")
        (self.folder / "web.py").write_text(textwrap.dedent(WEB), encoding="utf-8")
        for number, preload in enumerate((["--preload"], [])):
            with socket.create_server(("127.0.0.1", 0)) as listener:
                port = listener.getsockname()[1]
            command = [sys.executable, "-m", "gunicorn", "--workers", "4", "--threads", "2", "--bind", f"127.0.0.1:{port}"]
            server = subprocess.Popen(
                [*command, *preload, "web"], cwd=self.folder, env=environment(), stdout=subprocess.DEVNULL,
                stderr=subprocess.PIPE, text=True,
            )  # fmt: skip
            try:
                with concurrent.futures.ThreadPoolExecutor(16) as clients:
                    paths = (f"/{number}/{request}" for request in range(64))
                    answers = list(clients.map(functools.partial(self.answer, port), paths))
            finally:
                server.terminate()
                _, err = server.communicate(timeout=HANGS_SECONDS)
            self.assertEqual({answer.split(" ", 1)[1] for answer in answers}, {"True False"}, err)
            self.assertGreater(len({answer.split(" ", 1)[0] for answer in answers}), 1)
            self.assertEqual(server.returncode, 0, err)

    def answer(self, port: int, path: str) -> str:
        deadline = time.monotonic() + HANGS_SECONDS
        while True:
            connection = http.client.HTTPConnection("127.0.0.1", port, timeout=HANGS_SECONDS)
            try:
                connection.request("GET", path)
                return connection.getresponse().read().decode()
            except ConnectionRefusedError:
                self.assertLess(time.monotonic(), deadline)
                time.sleep(0.05)
            finally:
                connection.close()


class Exits(Case):
    def test_exit_with_open_services_and_daemon_threads(self) -> None:
        for _ in range(size(3, 50)):
            ended = self.python(EXIT)
            self.assertEqual((ended.returncode, ended.stdout, ended.stderr), (0, "end\n", ""))
        # Closed in good order, the services left nothing to recover.
        self.assertEqual([path.name for path in self.folder.glob("otp.db-wal") if path.stat().st_size], [])

    def test_library_that_is_none_is_named(self) -> None:
        source = "import os; os.environ['LIBOTP_LIBRARY'] = '/nothing/libotp.so'\nimport libotp"
        for library in ("/nothing/libotp.so", "libc.so.6"):
            ended = self.python(source.replace("/nothing/libotp.so", library))
            if os.path.exists(os.path.join(os.path.dirname(libotp.__file__), "libotp.so")):
                # The package's own comes first.
                self.assertEqual((ended.returncode, ended.stderr), (0, ""))
                continue
            self.assertEqual(ended.returncode, 1)
            self.assertRegex(ended.stderr.splitlines()[-1], f"^ImportError: libotp: .*{library}")


if __name__ == "__main__":
    unittest.main()
