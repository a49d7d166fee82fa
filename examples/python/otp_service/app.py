"""The tutorial's HTTP service over libotp: see README.md beside it."""

from __future__ import annotations

import json
import logging
import os
import pathlib
import signal
import socket
import stat
import sys
from typing import Any, Dict, Iterable, List, Mapping, Optional, Tuple
from urllib.parse import unquote, urlsplit

import libotp
from flask import Flask, Response, request
from waitress.server import create_server
from werkzeug.exceptions import HTTPException, MethodNotAllowed, RequestEntityTooLarge
from werkzeug.routing import BaseConverter

#: Most bytes of a request's body, and of a webhook's: what libotp takes.
REQUEST_BYTES = 16 * 1024
WEBHOOK_BYTES = 64 * 1024
#: Longest file that is taken for a configuration.
CONFIG_BYTES = 64 * 1024
#: How long a client may be silent.
PATIENCE_SECONDS = 10
#: How many requests are worked on at once: each may wait for the disk or for the carrier.
THREADS = 64

MEMBERS = {"messengerId", "phoneNumber"}
WRONG_BODY = "The body must be a JSON object with messengerId, phoneNumber or both, each a text, and nothing else"


def main() -> None:
    try:
        host, port = os.environ.get("HOST", "127.0.0.1"), port_number()
        otp = libotp.Service(configuration(), logger=log)
    except (libotp.Error, OSError, ValueError) as error:
        sys.exit(f"otp_service: {error}")
    for warning in otp.warnings:
        print(f"warning: {warning}", file=sys.stderr)
    with otp:
        signal.signal(signal.SIGTERM, lambda *_: sys.exit())
        try:
            listener = listen(host, port)
        except OSError as error:
            sys.exit(f"otp_service: HOST, PORT: {error}")
        server = create_server(
            application(otp), sockets=[listener], threads=THREADS, channel_timeout=PATIENCE_SECONDS,
            max_request_body_size=1024 * 1024, connection_limit=1000,
        )  # fmt: skip
        print(f"Server running on port {listener.getsockname()[1]}", flush=True)
        server.run()


def listen(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    return socket.create_server((host, port), family=family, backlog=1024)


def port_number() -> int:
    port = os.environ.get("PORT", "3000")
    if not port.isdecimal() or int(port) > 65535:
        raise ValueError("PORT: must be a number to 65535")
    return int(port)


def configuration() -> Optional[str]:
    value = os.environ.get("OTP_CONFIG")
    if value is None and pathlib.Path("nexmo.json").exists():
        value = "nexmo.json"
    if value is not None and not value.lstrip().startswith("{"):
        try:
            value = read_regular(value)
        except (OSError, ValueError):
            # Without the value: it might be mistyped JSON with a secret in it.
            raise ValueError("OTP_CONFIG: neither a JSON object nor a file that can be read") from None
    if value is not None and hands_over(value):
        raise ValueError("sender: none leaves delivery to the host, but nobody delivers here")
    return value


def read_regular(path: str) -> str:
    """Reads a file that is one: a pipe is not waited for, and what does not end is not read."""
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
    try:
        status = os.fstat(descriptor)
        if not stat.S_ISREG(status.st_mode) or status.st_size > CONFIG_BYTES:
            raise ValueError("not a regular file of at most 64 KiB")
        return os.read(descriptor, CONFIG_BYTES).decode()
    finally:
        os.close(descriptor)


def hands_over(config: str) -> bool:
    try:
        return bool(json.loads(config)["sender"]["type"] == "none")
    except (ValueError, KeyError, TypeError):
        return False


def log(level: int, event: Mapping[str, Any]) -> None:
    if level >= logging.INFO:
        print(json.dumps(event), flush=True)


def application(otp: libotp.Service) -> Any:
    """The WSGI application."""
    app = Flask(__name__, static_folder=None)
    app.url_map.converters["segment"] = Segment
    # `//` is an empty token and no mistake to redirect.
    app.url_map.merge_slashes = False
    app.config["PROVIDE_AUTOMATIC_OPTIONS"] = False
    app.before_request(refuse_head)
    app.register_error_handler(HTTPException, refuse)
    app.register_error_handler(libotp.Error, fail)
    app.register_error_handler(Exception, crash)

    @app.get("/")
    def home() -> Response:
        return answer(200, "This is the OTP service")

    @app.post("/otp/<segment:token>")
    def create(token: str) -> Response:
        otp.create(decoded(token), recipient(body(REQUEST_BYTES)))
        return answer(201, "Created")

    @app.get("/otp/<segment:token>/<segment:code>")
    def verify(token: str, code: str) -> Response:
        check = otp.check(decoded(token), decoded(code))
        return answer(check.result.http_status, check.message, check.retry_after_seconds)

    @app.post("/webhooks/message-status", endpoint="message_status")
    @app.post("/webhooks/inbound-message", endpoint="inbound_message")
    def webhook() -> Response:
        otp.webhook(request.headers.get("Authorization"), body(WEBHOOK_BYTES))
        return answer(200, "OK")

    def encoded(environ: Dict[str, Any], start_response: Any) -> Iterable[bytes]:
        # Split first and decode later: `%2F` is a part of its token and separates nothing.
        target: str = environ["REQUEST_URI"]
        environ["PATH_INFO"] = target.partition("?")[0] if target.startswith("/") else urlsplit(target).path
        return app(environ, start_response)

    return encoded


class Segment(BaseConverter):
    """A part of a path between slashes, as it came; it may be empty."""

    regex = "[^/]*"


def answer(status: int, text: str, retry_after_seconds: Optional[int] = None) -> Response:
    response = Response(text, status, content_type="text/plain; charset=utf-8")
    # An answer about a code is true once.
    response.headers["Cache-Control"] = "no-store"
    if retry_after_seconds is not None:
        response.headers["Retry-After"] = str(retry_after_seconds)
    return response


def fail(error: libotp.Error) -> Response:
    # Which argument is wrong is for the client, a refusal for the user, and all else for the operator.
    if isinstance(error, libotp.ArgumentError):
        return answer(400, str(error))
    if not isinstance(error, libotp.Refused):
        print(f"{error.result.name}: {error}", file=sys.stderr, flush=True)
    return answer(error.result.http_status, error.result.message, error.retry_after_seconds)


def crash(error: Exception) -> Response:
    # Its kind alone: its text may hold what the client sent.
    print(f"defect: {type(error).__name__}", file=sys.stderr, flush=True)
    return answer(500, "The service failed")


def refuse_head() -> None:
    # HEAD is not GET here: a preview of a link must not use up a code.
    if request.method == "HEAD" and request.url_rule is not None:
        raise MethodNotAllowed(valid_methods=["GET"])


def refuse(error: HTTPException) -> Response:
    if isinstance(error, MethodNotAllowed):
        allowed = ", ".join(sorted(set(error.valid_methods or ()) - {"HEAD"}))
        response = answer(405, f"Only {allowed} is allowed")
        response.headers["Allow"] = allowed
        return response
    if isinstance(error, RequestEntityTooLarge):
        return answer(413, f"The body is longer than {request.max_content_length} bytes")
    return answer(error.code or 500, "There is no such page" if error.code == 404 else error.name)


def decoded(segment: str) -> str:
    try:
        return unquote(segment, errors="strict")
    except UnicodeDecodeError:
        raise refused("The path is not valid UTF-8") from None


def body(max_bytes: int) -> bytes:
    request.max_content_length = max_bytes
    return request.get_data(cache=False)


def recipient(text: bytes) -> Dict[str, str]:
    """All that a client may say. The rest of a request (its subject, a code of one's own) is for the host to decide."""
    try:
        # Whatever the content type says, the body is JSON or refused.
        members = json.loads(text.decode("utf-8"), object_pairs_hook=distinct)
    except (ValueError, RecursionError):
        raise refused(WRONG_BODY) from None
    if not isinstance(members, dict) or not members or not MEMBERS.issuperset(members):
        raise refused(WRONG_BODY)
    if not all(isinstance(value, str) for value in members.values()):
        raise refused(WRONG_BODY)
    return members


def distinct(pairs: List[Tuple[str, Any]]) -> Dict[str, Any]:
    members = dict(pairs)
    if len(members) < len(pairs):
        raise ValueError("a repeated member")
    return members


def refused(text: str) -> libotp.ArgumentError:
    return libotp.ArgumentError(text, libotp.Result.E_ARGUMENT)


if __name__ == "__main__":
    main()
