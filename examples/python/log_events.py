"""The library's events in ``logging``, as one object of JSON a line, beside those of your own program."""

import json
import logging
import sys

import libotp


class JsonFormatter(logging.Formatter):
    """A line is the event itself, or the message of somebody else. An event holds no code, token, recipient or key."""

    def format(self, record: logging.LogRecord) -> str:
        event = getattr(record, "otp", {"event": record.getMessage()})
        return json.dumps({"logger": record.name, "severity": record.levelname, **event})


def main() -> None:
    handler = logging.StreamHandler(sys.stdout)
    handler.setFormatter(JsonFormatter())
    logging.basicConfig(level=logging.INFO, handlers=[handler])
    logging.getLogger("program").info("it begins")
    config = {"repository": "memory:", "sender": {"type": "none"}}
    with libotp.Service(config, logger=logging.getLogger("otp")) as otp:
        code = otp.create("session 1", phone_number="+39 333 123 4567").code or ""
        for typed in ("x" + code, code, code):
            otp.verify("session 1", typed)


if __name__ == "__main__":
    main()
