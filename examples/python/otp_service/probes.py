"""What is asked about the service rather than of it, and the address where nothing else is answered."""

from __future__ import annotations

import json
import socket
import threading
import time
from typing import Any, Callable, Dict

import libotp
from flask import Flask, Response
from libotp.metrics import Collector
from prometheus_client import CollectorRegistry
from prometheus_client.openmetrics import exposition
from waitress.server import create_server
from werkzeug.exceptions import HTTPException, MethodNotAllowed

#: The package gives it no type.
GENERATE: Callable[[CollectorRegistry], bytes] = exposition.generate_latest

#: How long an answer about readiness holds: whoever asks often does not make codes as often.
READY_SECONDS = 1.0
#: How long a client may be silent, and how long one waits for the answer that another is finding.
PATIENCE_SECONDS = 10
#: Most connections at once on the address of its own: the others wait, and take nothing from clients.
CONNECTIONS = 16

#: What says where codes are kept, and under which key.
STORAGE = ("repository", "key", "keyFile", "previousKeys", "durability")


class Readiness:
    """Whether the service can do its work: creates and verifies a code, as a tenant of its own."""

    def __init__(self, config: str) -> None:
        members = json.loads(config)
        probe: Dict[str, Any] = {name: members[name] for name in STORAGE if name in members}
        probe.update(namespace="otp-service readiness", sender={"type": "none"}, policy={"retentionMinutes": 0})
        self._probe = libotp.Service(probe)
        self._lock = threading.Lock()
        self._until, self._ready = 0.0, False

    def __enter__(self) -> Readiness:
        return self

    def __exit__(self, *_: object) -> None:
        self._probe.close()

    def is_ready(self) -> bool:
        # One thread waits for a repository that hangs: the others go back to the work of clients.
        if not self._lock.acquire(timeout=PATIENCE_SECONDS):
            return False
        try:
            if time.monotonic() >= self._until:
                self._ready = self._try_a_code()
                self._until = time.monotonic() + READY_SECONDS
            return self._ready
        finally:
            self._lock.release()

    def _try_a_code(self) -> bool:
        try:
            return self._probe.verify("ready", self._probe.create("ready").code or "")
        except libotp.Error:
            return False


def answer(status: int, text: str, content_type: str = "text/plain; charset=utf-8") -> Response:
    response = Response(text, status, content_type=content_type)
    # An answer about a code is true once.
    response.headers["Cache-Control"] = "no-store"
    return response


def refuse_method(methods: Any) -> Response:
    allowed = ", ".join(sorted(methods))
    response = answer(405, f"Only {allowed} is allowed")
    response.headers["Allow"] = allowed
    return response


def add_probes(app: Flask, ready: Readiness) -> None:
    """Adds the pages of every address."""

    @app.get("/healthz")
    def healthy() -> Response:
        # Whether this program runs, whatever became of its disk.
        return answer(200, "OK")

    @app.get("/readyz")
    def readiness() -> Response:
        return answer(200, "OK") if ready.is_ready() else answer(503, "Not ready")


def application(otp: libotp.Service, ready: Readiness) -> Flask:
    """The application for the address of its own: what was counted, and the pages of every address."""
    app = Flask(__name__, static_folder=None)
    app.config["PROVIDE_AUTOMATIC_OPTIONS"] = False
    registry = CollectorRegistry()
    registry.register(Collector(otp))
    add_probes(app, ready)

    @app.get("/metrics")
    def metrics() -> Response:
        return answer(200, GENERATE(registry).decode(), exposition.CONTENT_TYPE_LATEST)

    @app.errorhandler(HTTPException)
    def refuse(error: HTTPException) -> Response:
        if isinstance(error, MethodNotAllowed):
            return refuse_method(error.valid_methods or ())
        return answer(error.code or 500, "There is no such page" if error.code == 404 else error.name)

    @app.errorhandler(libotp.Error)
    def fail(_error: libotp.Error) -> Response:
        # The service is being closed.
        return answer(503, "Not ready")

    return app


def serve(app: Flask, listener: socket.socket) -> None:
    """Answers there in the background, until the process ends."""
    server = create_server(
        app, sockets=[listener], threads=2, channel_timeout=PATIENCE_SECONDS, cleanup_interval=1,
        connection_limit=CONNECTIONS, max_request_body_size=1024,
    )  # fmt: skip
    threading.Thread(target=server.run, daemon=True).start()
