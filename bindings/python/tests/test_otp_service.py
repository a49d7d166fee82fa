"""The service example as its users meet it: a process, asked by HTTP, stopped by a signal."""

from __future__ import annotations

import base64
import hashlib
import hmac
import http.client
import importlib.util
import json
import os
import pathlib
import queue
import signal
import subprocess
import sys
import threading
import time
import unittest
from typing import Any, Dict, IO, List, Optional, Tuple

from helpers import HANGS_SECONDS, ROOT, Case, environment, missing, size, wrong

APP = ROOT / "examples" / "python" / "otp_service" / "app.py"
RECIPIENT = '{"messengerId":"8192836451","phoneNumber":"393331234567"}'
SECRET = "a secret of thirty-two characters"


class Lines:
    """The lines of a stream, as they come."""

    def __init__(self, stream: IO[str]) -> None:
        self.seen: List[str] = []
        self._coming: "queue.Queue[str]" = queue.Queue()
        self._reader = threading.Thread(target=self._read, args=(stream,), daemon=True)
        self._reader.start()

    def _read(self, stream: IO[str]) -> None:
        for line in stream:
            self._coming.put(line.rstrip("\n"))

    def next_with(self, text: str) -> str:
        while True:
            line = self._coming.get(timeout=HANGS_SECONDS)
            self.seen.append(line)
            if text in line:
                return line

    def all(self) -> List[str]:
        self._reader.join(HANGS_SECONDS)
        while not self._coming.empty():
            self.seen.append(self._coming.get())
        return self.seen


def ask(port: int, method: str, path: str, body: Any = None, **headers: str) -> Tuple[int, str, Dict[str, str]]:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=HANGS_SECONDS)
    try:
        connection.request(method, path, body, headers)
        answer = connection.getresponse()
        return answer.status, answer.read().decode(), dict(answer.getheaders())
    finally:
        connection.close()


class Server:
    """The example, running in a folder."""

    def __init__(self, folder: pathlib.Path, **variables: str) -> None:
        self.process = subprocess.Popen(
            [sys.executable, str(APP)], cwd=folder, env={**clean(), **variables},
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        )  # fmt: skip
        assert self.process.stdout is not None and self.process.stderr is not None
        self.out, self.err = Lines(self.process.stdout), Lines(self.process.stderr)
        self.metrics_port = 0
        if "METRICS_PORT" in variables:
            self.metrics_port = int(json.loads(self.out.next_with("Metrics on port "))["message"].rsplit(" ", 1)[1])
        self.port = int(self.err.next_with("Server running on port ").rsplit(" ", 1)[1])

    def ask(self, method: str, path: str, body: Any = None, **headers: str) -> Tuple[int, str, Dict[str, str]]:
        return ask(self.port, method, path, body, **headers)

    def probe(self, method: str, path: str) -> Tuple[int, str, Dict[str, str]]:
        """Asks the address of its own."""
        return ask(self.metrics_port, method, path)

    def code_for(self, token: str, number: str) -> str:
        status, text, _ = self.ask("POST", f"/otp/{token}", json.dumps({"phoneNumber": number}))
        assert status == 201, text
        return self.err.next_with(f" to {number}] ").rsplit(" ", 1)[1]

    def stop(self) -> Tuple[List[str], List[str]]:
        self.process.send_signal(signal.SIGTERM)
        assert self.process.wait(HANGS_SECONDS) == 0, self.err.all()
        return self.out.all(), self.err.all()

    def end(self) -> None:
        self.process.kill()
        self.process.wait()
        for stream in (self.process.stdout, self.process.stderr):
            if stream is not None:
                stream.close()


def clean() -> Dict[str, str]:
    variables = {name: value for name, value in environment().items() if name not in ("OTP_CONFIG", "HOST", "METRICS_HOST", "METRICS_PORT")}
    return {**variables, "PORT": "0"}


def bearer(body: bytes, secret: str = SECRET) -> str:
    """A signature as the carrier makes it: a JWT (RFC 7519) with HS256 and the hash of the body."""

    def part(value: bytes) -> bytes:
        return base64.urlsafe_b64encode(value).rstrip(b"=")

    claims = {"iat": int(time.time()), "jti": os.urandom(8).hex(), "iss": "Vonage", "api_key": "key",
              "payload_hash": hashlib.sha256(body).hexdigest()}  # fmt: skip
    signed = part(b'{"alg":"HS256","typ":"JWT"}') + b"." + part(json.dumps(claims).encode())
    return "Bearer " + (signed + b"." + part(hmac.digest(secret.encode(), signed, "sha256"))).decode()


class OtpServiceCase(Case):
    """A test that runs the example."""

    def setUp(self) -> None:
        super().setUp()
        for package in ("flask", "waitress", "prometheus_client"):
            if importlib.util.find_spec(package) is None:
                missing(package)

    def start(self, config: Any = None, folder: Optional[pathlib.Path] = None, **variables: str) -> Server:
        if config is not None:
            variables["OTP_CONFIG"] = config if isinstance(config, str) else json.dumps(config)
        server = Server(folder or self.folder, **variables)
        self.addCleanup(server.end)
        return server


class OtpService(OtpServiceCase):
    def test_tutorial_requests_are_answered_and_no_secret_is_logged(self) -> None:
        server = self.start()
        self.assertEqual(server.ask("GET", "/")[:2], (200, "This is the OTP service"))
        self.assertEqual(server.ask("POST", "/otp/123456789", RECIPIENT)[0], 201)
        code = server.err.next_with("[messenger to 8192836451] ").rsplit(" ", 1)[1]
        self.assertEqual(server.ask("GET", f"/otp/123456789/{wrong(code)}")[:2], (404, "Not found"))
        status, text, headers = server.ask("GET", f"/otp/123456789/{code}")
        self.assertEqual((status, text, headers["Cache-Control"]), (200, "OK", "no-store"))
        self.assertEqual(headers["Content-Type"], "text/plain; charset=utf-8")
        used = server.ask("GET", f"/otp/123456789/{code}")
        self.assertEqual(used[:2], (409, "The code has already been verified"))
        limited = server.ask("POST", "/otp/another", RECIPIENT)
        self.assertEqual(limited[:2], (429, "Too many codes requested"))
        self.assertIn(int(limited[2]["Retry-After"]), range(1, 31))
        for path in ("/webhooks/message-status", "/webhooks/inbound-message"):
            self.assertEqual(server.ask("POST", path, "{}")[0], 500)
        out, err = server.stop()
        self.assertTrue(all(json.loads(line)["event"] for line in out))
        self.assertGreaterEqual(len(out), 5)
        others = [line for line in err if not line.startswith("[messenger to ")]
        for secret in (code, "123456789", "8192836451", "393331234567"):
            self.assertFalse([line for line in out + others if secret in line])

    def test_expired(self) -> None:
        server = self.start({"validityTime": 0.02, "maxAttempts": 2})
        code = server.code_for("expires", "393331234567")
        time.sleep(1.3)
        self.assertEqual(server.ask("GET", f"/otp/expires/{code}")[:2], (410, "The code is expired"))
        code = server.code_for("guessed", "393331234568")
        for _ in range(2):
            self.assertEqual(server.ask("GET", f"/otp/guessed/{wrong(code)}")[0], 404)
        status, text, headers = server.ask("GET", f"/otp/guessed/{code}")
        self.assertEqual((status, text, headers.get("Retry-After")), (429, "Too many wrong codes", None))

    def test_refused_bodies_create_nothing(self) -> None:
        server = self.start()
        long = json.dumps({"phoneNumber": "3" * 16 * 1024})
        deep = '{"phoneNumber":' * 1000
        refused: List[Tuple[Any, int]] = [
            ('{"phoneNumber":"393331234567","code":"111111"}', 400),
            ('{"phoneNumber":"393331234567","subject":"mallory"}', 400),
            ('{"phoneNumber":"393331234567","phoneNumber":"393331234568"}', 400),
            ('{"phoneNumber":"393331234567","phone\\u004eumber":"393331234568"}', 400),
            ('{"phoneNumber":393331234567}', 400), ('{"phoneNumber":"393331234567","messengerId":null}', 400),
            ('{"phoneNumber":"not a number"}', 400), ('{"phoneNumber":"39333\\u0000"}', 400),
            ('{"phoneNumber":"\\ud800"}', 400), ('{"phoneNumber":"393331234567"} {}', 400),
            ('["393331234567"]', 400), ("{}", 400), ("", 400), (b"\xff", 400), (deep, 400), (long, 413),
        ]  # fmt: skip
        for body, status in refused:
            answer = server.ask("POST", "/otp/token", body)
            self.assertEqual(answer[0], status, (body, answer))
            self.assertNotIn("39333", answer[1])
        self.assertEqual(server.ask("POST", "/webhooks/message-status", "x" * (64 * 1024 + 1))[0], 413)
        # The content type decides nothing: curl says a form unless told otherwise.
        form = {"Content-Type": "application/x-www-form-urlencoded"}
        self.assertEqual(server.ask("POST", "/otp/token", RECIPIENT, **form)[0], 201)
        self.assertEqual(sum(line.startswith("[") for line in server.stop()[1]), 1)

    def test_tokens_stay_apart(self) -> None:
        inside = self.folder / "inside"
        inside.mkdir()
        server = self.start(folder=inside)
        tokens = ["..", "..%2F..%2Fescaped", "a%2Fb", "a-b", "a", "a+b", "a%20b", "%252F", "%2F", "%27%22;", "%C3%A9", "x" * 256]
        codes = [server.code_for(token, f"39333123{index:04}") for index, token in enumerate(tokens)]
        for index, token in enumerate(tokens):
            self.assertEqual(server.ask("GET", f"/otp/{token}/{codes[index - 1]}")[0], 404, token)
        for token, code in zip(tokens, codes):
            self.assertEqual(server.ask("GET", f"/otp/{token}/{code}")[:2], (200, "OK"), token)
        self.assertEqual(server.ask("GET", f"/otp/%61%2fb/{codes[2]}")[0], 409)
        for path, status in (("/otp/a/b/c", 404), ("/otp", 404), ("/otp/token/", 404), ("/nothing", 404)):
            self.assertEqual(server.ask("GET", path)[0], status, path)
        for token in ("", "%FF", "%00", "a%0Ab", "%C2%80", "x" * 257):
            self.assertEqual(server.ask("POST", f"/otp/{token}", RECIPIENT)[0], 400, token)
        server.stop()
        self.assertEqual(os.listdir(self.folder), ["inside"])
        self.assertTrue(all(name.startswith("otp.db") for name in os.listdir(inside)))

    def test_wrong_methods_use_up_nothing(self) -> None:
        server = self.start()
        path = f"/otp/token/{server.code_for('token', '393331234567')}"
        cases = [("HEAD", path, "GET"), ("POST", path, "GET"), ("OPTIONS", path, "GET"), ("GET", "/otp/token", "POST"),
                 ("PUT", "/", "GET, HEAD"), ("PUT", "/readyz", "GET, HEAD"), ("GET", "/webhooks/inbound-message", "POST")]  # fmt: skip
        for method, wanted, allowed in cases:
            status, _, headers = server.ask(method, wanted)
            self.assertEqual((status, headers.get("Allow")), (405, allowed), (method, wanted))
        self.assertEqual([server.ask("HEAD", page)[0] for page in ("/", "/healthz", "/readyz")], [200] * 3)
        self.assertEqual(server.ask("GET", path)[0], 200)

    def test_webhooks_are_believed_with_a_signature_alone(self) -> None:
        server = self.start({"webhook": {"signatureSecret": SECRET}})
        body = (ROOT / "tests/data/webhooks/v1.schema.inbound-messenger-text.json").read_bytes()
        self.assertEqual(server.ask("POST", "/webhooks/inbound-message", body, Authorization=bearer(body))[0], 200)
        for authorization, status in ((bearer(body, "another secret of enough letters"), 401), (bearer(body + b" "), 401)):
            self.assertEqual(server.ask("POST", "/webhooks/inbound-message", body, Authorization=authorization)[0], status)
        self.assertEqual(server.ask("POST", "/webhooks/message-status", body)[0], 503)

    def test_configuration_and_refusals(self) -> None:
        (self.folder / "nexmo.json").write_text('{"otpLength": 8, "repository": "memory:"}')
        self.assertEqual(len(self.start().code_for("token", "393331234567")), 8)
        os.mkfifo(self.folder / "pipe")
        refused = [("OTP_CONFIG", '{"otpLength": 3}', "otpLength"), ("OTP_CONFIG", '["planted"]', "OTP_CONFIG"),
                   ("OTP_CONFIG", "pipe", "OTP_CONFIG"), ("OTP_CONFIG", "/dev/zero", "OTP_CONFIG"),
                   ("OTP_CONFIG", '{"sender": {"type": "none"}}', "sender: none"), ("PORT", "planted", "PORT")]  # fmt: skip
        for variable, value, named in refused:
            environment = {**clean(), variable: value}
            ended = subprocess.run(
                [sys.executable, str(APP)], cwd=self.folder, env=environment, capture_output=True, text=True,
                timeout=HANGS_SECONDS,
            )  # fmt: skip
            self.assertEqual((ended.returncode, ended.stdout), (1, ""), ended.stderr)
            self.assertEqual((named in ended.stderr, "planted" in ended.stderr), (True, False), ended.stderr)

    def test_restart_remembers(self) -> None:
        server = self.start()
        code = server.code_for("token", "393331234567")
        server.stop()
        self.assertEqual(self.start().ask("GET", f"/otp/token/{code}")[0], 200)
        self.assertEqual(self.start().ask("GET", f"/otp/token/{code}")[0], 409)

    def test_64_connections_lose_nothing(self) -> None:
        server = self.start({"policy": {"cooldownSeconds": 0, "sendLimits": []}})
        count, connections = size(1280, 5120), 64
        statuses: List[int] = []

        def client(first: int) -> None:
            connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=HANGS_SECONDS)
            for number in range(first, count, connections):
                path, body = f"/otp/token {number}".replace(" ", "%20"), json.dumps({"phoneNumber": f"39333{number:07}"})
                method = "POST" if number // connections % 2 else "GET"
                connection.request(method, path if method == "POST" else path + "/123456", body if method == "POST" else None)
                answer = connection.getresponse()
                answer.read()
                statuses.append(answer.status)
            connection.close()

        clients = [threading.Thread(target=client, args=(number,)) for number in range(connections)]
        for thread in clients:
            thread.start()
        for thread in clients:
            thread.join()
        self.assertEqual((statuses.count(201), statuses.count(404), len(statuses)), (count // 2, count // 2, count))
        sent = [line for line in server.stop()[1] if line.startswith("[")]
        self.assertEqual(len(sent), count // 2)


if __name__ == "__main__":
    unittest.main()
