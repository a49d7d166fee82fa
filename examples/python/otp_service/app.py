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
import threading
import time
from typing import Any, Dict, Iterable, List, Optional, Tuple
from urllib.parse import unquote, urlsplit

import events
import libotp
import probes
from flask import Flask, Response, request
from probes import PATIENCE_SECONDS, Readiness, add_probes, answer, refuse_method
from waitress.server import create_server
from werkzeug.exceptions import HTTPException, MethodNotAllowed, RequestEntityTooLarge
from werkzeug.routing import BaseConverter

#: Most bytes of a request's body, and of a webhook's: what libotp takes.
REQUEST_BYTES = 16 * 1024
WEBHOOK_BYTES = 64 * 1024
#: Longest file that is taken for a configuration.
CONFIG_BYTES = 64 * 1024
#: How many requests are worked on at once: each may wait for the disk or for the carrier.
THREADS = 64

#: How often due steps of deliveries are looked for.
UPKEEP_SECONDS = 1.0

#: All that a client may say. The rest of a request (its subject, a code of one's own) is for the host to decide.
MEMBERS = {"messengerId", "phoneNumber"}
WRONG_CODE = "The body must be a JSON object with code, a text, and nothing else"
WRONG_BODY = "The body must be a JSON object with messengerId, phoneNumber or both, each a text, and nothing else"


def main() -> None:
    # A request that waits for a thread is no news for people.
    logging.getLogger("waitress.queue").setLevel(logging.ERROR)
    try:
        port, metrics_port = port_of("PORT") or 0, port_of("METRICS_PORT")
        config = configuration()
        otp = libotp.Service(config, logger=events.from_library)
        ready = Readiness(config)
    except (libotp.Error, OSError, ValueError) as error:
        sys.exit(f"otp_service: {error}")
    for warning in otp.warnings:
        events.log(events.WARNING, "warning", result="OTP_OK", message=warning)
    with otp, ready:
        signal.signal(signal.SIGTERM, stop)
        signal.signal(signal.SIGINT, stop)
        if metrics_port is not None:
            listener = listen("METRICS_HOST", metrics_port)
            probes.serve(probes.application(otp, ready), listener)
            tell(listener, "Metrics")
        listener = listen("HOST", port)
        threading.Thread(target=keep_up, args=(otp,), daemon=True).start()
        server = create_server(
            application(otp, ready), sockets=[listener], threads=THREADS, channel_timeout=PATIENCE_SECONDS,
            max_request_body_size=1024 * 1024, connection_limit=1000,
        )  # fmt: skip
        print(tell(listener, "Server running"), file=sys.stderr, flush=True)
        server.run()
        events.log(events.INFO, "stopping")


def stop(*_: object) -> None:
    """Ends the service, and a second time at once: whoever asks twice does not want to wait."""
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    sys.exit()


def keep_up(otp: libotp.Service) -> None:
    """Does what is due, again and again: timed steps of deliveries above all."""
    while not otp.closed:
        try:
            otp.run_due()
        except libotp.Error as error:
            if not otp.closed:
                events.failed(error)
        time.sleep(UPKEEP_SECONDS)


def listen(variable: str, port: int) -> socket.socket:
    """Listens on the host of a variable."""
    host = os.environ.get(variable, "127.0.0.1")
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        return socket.create_server((host, port), family=family, backlog=1024)
    except OSError as error:
        sys.exit(f"otp_service: {host}:{port}: {error}")


def tell(listener: socket.socket, what: str) -> str:
    """Logs that it listens, and gives the sentence."""
    host, port = listener.getsockname()[:2]
    sentence = f"{what} on port {port}"
    address = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
    events.log(events.INFO, "listening", address=address, message=sentence)
    return sentence


def port_of(variable: str) -> Optional[int]:
    """The port of a variable. That of clients is 3000 unless it is set, and others are off."""
    port = os.environ.get(variable, "3000" if variable == "PORT" else None)
    if port is None:
        return None
    if not port.isdecimal() or int(port) > 65535:
        raise ValueError(f"{variable}: must be a number to 65535")
    return int(port)


def configuration() -> str:
    value = os.environ.get("OTP_CONFIG")
    if value is None:
        value = "nexmo.json" if pathlib.Path("nexmo.json").exists() else "{}"
    if not value.lstrip().startswith("{"):
        try:
            value = read_regular(value)
        except (OSError, ValueError):
            # Without the value: it might be mistyped JSON with a secret in it.
            raise ValueError("OTP_CONFIG: neither a JSON object nor a file that can be read") from None
    if hands_over(value):
        raise ValueError("sender: none leaves delivery to the host, but nobody delivers here")
    return accepting(value.lstrip("\ufeff"))


def accepting(config: str) -> str:
    """Adds what the service accepts, unless the configuration says it: to the text, in which libotp sees repetition."""
    try:
        members = json.loads(config)
    except (ValueError, RecursionError):
        # libotp says what is wrong with it.
        return config
    if not isinstance(members, dict) or "accept" in members:
        return config
    comma = ", " if members else ""
    return config.replace("{", f'{{"accept": {json.dumps(sorted(MEMBERS))}{comma}', 1)


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


def application(otp: libotp.Service, ready: Readiness) -> Any:
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

    add_probes(app, ready)

    @app.get("/otp/<segment:token>/<segment:code>")
    def verify(token: str, code: str) -> Response:
        return checked(otp.check(decoded(token), decoded(code)))

    @app.post("/otp/<segment:token>/verify")
    def verify_body(token: str) -> Response:
        return checked(otp.check(decoded(token), typed_code(body(REQUEST_BYTES))))

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


def checked(check: libotp.Check) -> Response:
    return answer_result(check.result.http_status, check.message, check.retry_after_seconds)


class Segment(BaseConverter):
    """A part of a path between slashes, as it came; it may be empty."""

    regex = "[^/]*"


def answer_result(status: int, text: str, retry_after_seconds: Optional[int]) -> Response:
    response = answer(status, text)
    if retry_after_seconds is not None:
        response.headers["Retry-After"] = str(retry_after_seconds)
    return response


def fail(error: libotp.Error) -> Response:
    # Which argument is wrong is for the client, a refusal for the user, and all else for the operator.
    if isinstance(error, libotp.ArgumentError):
        return answer(400, str(error))
    if not isinstance(error, libotp.Refused):
        events.failed(error)
    return answer_result(error.result.http_status, error.result.message, error.retry_after_seconds)


def crash(error: Exception) -> Response:
    # Its kind alone: its text may hold what the client sent.
    events.log(events.ERROR, "defect", cause=type(error).__name__)
    return answer(500, "The service failed")


def refuse_head() -> None:
    # HEAD goes where GET does, but not to a code: a preview of a link must not use one up. It cannot be told from a
    # person by GET, so links are better made with the POST.
    if request.method == "HEAD" and request.endpoint == "verify":
        raise MethodNotAllowed(valid_methods=["GET"])


def refuse(error: HTTPException) -> Response:
    if isinstance(error, MethodNotAllowed):
        methods = set(error.valid_methods or ())
        if request.path.startswith("/otp/"):
            methods.discard("HEAD")
        return refuse_method(methods)
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
    """What a client says of a code to create."""
    members = texts(text, WRONG_BODY)
    if not members or not MEMBERS.issuperset(members):
        raise refused(WRONG_BODY)
    return members


def typed_code(text: bytes) -> str:
    """What a client says to verify a code."""
    members = texts(text, WRONG_CODE)
    if set(members) != {"code"}:
        raise refused(WRONG_CODE)
    return members["code"]


def texts(text: bytes, refusal: str) -> Dict[str, str]:
    """An object of texts, whatever the content type says, or nothing."""
    try:
        members = json.loads(text.decode("utf-8"), object_pairs_hook=distinct)
    except (ValueError, RecursionError):
        raise refused(refusal) from None
    if not isinstance(members, dict) or not all(isinstance(value, str) for value in members.values()):
        raise refused(refusal)
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
