"""What is asked about the service example, and what it logs."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import threading
import time
import unittest
from typing import Dict, List, Optional

from helpers import HANGS_SECONDS, size, wrong
from test_otp_service import APP, RECIPIENT, OtpServiceCase, Server, ask, clean


def sample(page: str, name: str) -> Optional[float]:
    lines = [line for line in page.splitlines() if line.startswith(f"{name} ")]
    return float(lines[0].rsplit(" ", 1)[1]) if lines else None


class Probes(OtpServiceCase):
    def start_both(self, config: object = None) -> Server:
        return self.start(config, METRICS_PORT="0")

    def test_the_address_of_its_own_tells_what_was_counted(self) -> None:
        server = self.start_both()
        server.code_for("session", "393331234567")
        status, page, headers = server.probe("GET", "/metrics")
        content_type = "application/openmetrics-text; version=1.0.0; charset=utf-8"
        self.assertEqual((status, headers["Content-Type"]), (200, content_type))
        self.assertTrue(page.endswith("\n# EOF\n"), page)
        self.assertEqual(sample(page, 'otp_calls_total{call="create",result="OTP_OK"}'), 1)
        self.assertEqual(sample(page, 'otp_send_total{outcome="accepted",sender="console"}'), 1)
        for path in ("/healthz", "/readyz"):
            self.assertEqual(server.probe("GET", path)[:2], (200, "OK"))
            self.assertEqual(server.ask("GET", path)[:2], (200, "OK"))
        self.assertEqual(server.probe("HEAD", "/metrics")[:2], (200, ""))
        for path in ("/metrics", "/healthz", "/readyz"):
            status, _, headers = server.probe("POST", path)
            self.assertEqual((status, headers.get("Allow")), (405, "GET, HEAD"), path)
        # Clients are not answered there, and are told nothing here.
        self.assertEqual(server.probe("POST", "/otp/session")[0], 404)
        self.assertEqual(server.ask("GET", "/metrics")[0], 404)
        server.stop()

    def test_probes_of_readiness_do_not_pile_up_and_leave_clients_alone(self) -> None:
        server, count = self.start_both(), size(400, 10_000)
        before = sample(server.probe("GET", "/metrics")[1], "otp_store_operations_total") or 0
        # Connections that say nothing hold their places alone.
        silent = [socket.create_connection(("127.0.0.1", server.metrics_port)) for _ in range(8)]
        statuses: List[int] = []

        def client() -> None:
            for number in range(count // 4):
                statuses.append(server.probe("GET", ("/metrics", "/readyz", "/healthz")[number % 3])[0])

        clients = [threading.Thread(target=client) for _ in range(4)]
        for thread in clients:
            thread.start()
        for thread in clients:
            thread.join()
        for connection in silent:
            connection.close()
        self.assertEqual((set(statuses), len(statuses)), ({200}, count // 4 * 4))
        self.assertEqual(server.ask("GET", "/")[0], 200)
        # They are another tenant's, and no client's.
        page = server.probe("GET", "/metrics")[1]
        self.assertNotIn('call="create"', page)
        self.assertLess((sample(page, "otp_store_operations_total") or 0) - before, count)

    def test_the_address_is_off_unless_asked_for_and_one_in_use_is_named(self) -> None:
        out, _ = self.start().stop()
        self.assertFalse([line for line in out if "Metrics on port" in line])
        with socket.create_server(("127.0.0.1", 0)) as taken:
            port = taken.getsockname()[1]
            for value, cause in ((str(port), f"127.0.0.1:{port}: "), ("x", "METRICS_PORT: must be a number")):
                ended = subprocess.run(
                    [sys.executable, str(APP)], cwd=self.folder, env={**clean(), "METRICS_PORT": value},
                    capture_output=True, text=True, timeout=HANGS_SECONDS,
                )  # fmt: skip
                self.assertEqual((ended.returncode, ended.stderr.startswith(f"otp_service: {cause}")), (1, True), ended)
                self.assertTrue(all(json.loads(line)["event"] == "warning" for line in ended.stdout.splitlines()))

    def test_it_listens_over_ipv6_as_well(self) -> None:
        server = self.start(METRICS_PORT="0", METRICS_HOST="::1")
        with socket.create_connection(("::1", server.metrics_port), timeout=HANGS_SECONDS) as connection:
            connection.sendall(b"GET /healthz HTTP/1.0\r\n\r\n")
            self.assertIn(b" 200 ", connection.makefile("rb").readline())
        with self.assertRaises(OSError):
            ask(server.metrics_port, "GET", "/healthz")

    def test_standard_output_is_the_log_alone_through_a_story_with_failures(self) -> None:
        server = self.start_both({"repository": "json:otp", "maxAttempts": 2})
        self.assertEqual(server.ask("POST", "/otp/planted-token", RECIPIENT)[0], 201)
        code = server.err.next_with("[messenger to ").rsplit(" ", 1)[1]
        cases = [("/otp/planted-token", RECIPIENT, 429), ("/otp/planted-token", '{"phoneNumber":"planted"}', 400),
                 ("/otp/planted-token", "planted", 400), ("/webhooks/message-status", "{}", 500)]  # fmt: skip
        for path, body, status in cases:
            self.assertEqual(server.ask("POST", path, body)[0], status, body)
        asked: Dict[str, int] = {f"/otp/planted-token/{wrong(code)}": 404, f"/otp/planted-token/{code}": 200,
                                 "/otp/%FF/planted": 400, "/planted": 404}  # fmt: skip
        for path, status in asked.items():
            self.assertEqual(server.ask("GET", path)[0], status, path)
        # A repository that fails.
        os.rename(self.folder / "otp", self.folder / "gone")
        (self.folder / "otp").write_text("no folder")
        self.assertEqual(server.ask("POST", "/otp/planted-token", RECIPIENT)[0], 503)
        time.sleep(1.1)
        self.assertEqual([server.probe("GET", path)[0] for path in ("/readyz", "/healthz")], [503, 200])
        out, err = server.stop()
        events = [json.loads(line) for line in out]
        for event in events:
            self.assertRegex(event["time"], r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$")
            self.assertIn(event["level"], (1, 2, 3))
        expected = {"warning", "listening", "create", "verify", "webhook", "failure", "stopping"}
        self.assertLessEqual(expected, {event["event"] for event in events})
        others = [line for line in err if not line.startswith("[messenger to ")]
        self.assertEqual(others, [f"Server running on port {server.port}"])
        for secret in (code, wrong(code), "planted", "8192836451", "393331234567"):
            self.assertFalse([line for line in out + others if secret in line], secret)


if __name__ == "__main__":
    unittest.main()
