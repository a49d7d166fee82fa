"""Answers, which are read when they are first asked for a field."""

from __future__ import annotations

import copy
import dataclasses
import datetime
import json
import pickle
import threading
import unittest
from typing import Any, Callable, Dict, List, Tuple

import libotp
from libotp import Delivery, Result, Step, _replies

BEGUN = datetime.datetime(2026, 1, 2, 3, 4, 5, 678000, tzinfo=datetime.timezone.utc)
BEGUN_TEXT, ENDED_TEXT = "2026-01-02T03:04:05.678Z", "2026-01-02T03:09:05.678Z"
MINUTES = datetime.timedelta(minutes=5)

DELIVERY = {"via": "messages", "state": "read", "channel": "sms", "messageUuid": "m", "dispatchUuid": "d", "sender": "two"}
STEP = {"channel": "sms", "status": "failed", "at": BEGUN_TEXT, "messageUuid": "m", "error": "no", "sender": "two"}


def _check(text: bytes) -> libotp.Check:
    return _replies.check(Result.LOCKED, text)


#: How each is read, replies with all fields and with those alone that are always there, and what they say.
CASES: List[Tuple[Callable[[bytes], Any], Dict[str, Any], Any]] = [
    (
        _replies.created,
        {"expiresInSeconds": 9, "attemptsLeft": 3, "delivery": DELIVERY, "channel": "sms", "to": "39", "from": "A",
         "text": "Code 1234", "code": "1234", "locale": "it"},
        libotp.Created(9, 3, Delivery("messages", "read", "sms", "m", "d", (), "two"), "sms", "39", "A", "Code 1234",
                       "1234", "it"),
    ),
    (
        _replies.created,
        {"delivery": {"via": "host", "state": "accepted"}},
        libotp.Created(0, 0, Delivery("host", "accepted")),
    ),
    (_check, {"attemptsLeft": 0, "retryAfterSeconds": 7, "locked": "subject"}, libotp.Check(Result.LOCKED, 0, 7, "subject")),
    (_check, {}, libotp.Check(Result.LOCKED)),
    (
        _replies.status,
        {"token": "t", "state": "checked", "creationDate": BEGUN_TEXT, "expiryDate": ENDED_TEXT, "isChecked": True,
         "attemptsLeft": 4, "checkDate": BEGUN_TEXT, "delivery": {**DELIVERY, "steps": [STEP, {**STEP, "status": "read"}]}},
        libotp.Status(
            "t", "checked", BEGUN, BEGUN + MINUTES, True, 4,
            Delivery("messages", "read", "sms", "m", "d", (Step("sms", "failed", BEGUN, "m", "no", "two"),
                                                           Step("sms", "read", BEGUN, "m", "no", "two")), "two"),
            BEGUN,
        ),
    ),
    (
        _replies.webhook,
        {"kind": "inbound", "known": False, "duplicate": True, "state": "read", "from": "39", "channel": "sms", "text": "hi",
         "shortened": ["text"]},
        libotp.Webhook("inbound", False, True, "read", "39", "sms", "hi", ("text",)),
    ),
    (_replies.webhook, {"kind": "status"}, libotp.Webhook("status")),
    (_replies.report, {"known": True, "state": "read"}, libotp.Report(True, "read")),
    (_replies.report, {"known": False}, libotp.Report(False)),
    (_replies.due, {"ran": 1, "purged": 2, "nextDueInMilliseconds": 3}, libotp.Due(1, 2, 3)),
    (_replies.due, {"ran": 1, "purged": 2}, libotp.Due(1, 2)),
]  # fmt: skip


class Replies(unittest.TestCase):
    def each(self) -> List[Tuple[Callable[[], Any], Any]]:
        """Makers of an answer that is not read yet, and what it says."""

        def maker(read: Callable[[bytes], Any], reply: Dict[str, Any]) -> Callable[[], Any]:
            text = json.dumps({"result": "OTP_OK", **reply}).encode()
            return lambda: read(text)

        return [(maker(read, reply), expected) for read, reply, expected in CASES]

    def test_every_field_whichever_is_first(self) -> None:
        for make, expected in self.each():
            for each in dataclasses.fields(expected):
                self.assertEqual(getattr(make(), each.name), getattr(expected, each.name), each.name)
            self.assertEqual(make(), expected)
            self.assertEqual(expected, make())

    def test_it_is_a_frozen_dataclass_whether_it_is_read_or_not(self) -> None:
        for make, expected in self.each():
            self.assertEqual(repr(make()), repr(expected))
            self.assertEqual(hash(make()), hash(expected))
            self.assertEqual(dataclasses.asdict(make()), dataclasses.asdict(expected))
            self.assertEqual(bool(make()), bool(expected))
            for again in (pickle.loads(pickle.dumps(make())), copy.copy(make()), copy.deepcopy(make())):
                self.assertEqual(again, expected)
            name = dataclasses.fields(expected)[0].name
            with self.assertRaises(dataclasses.FrozenInstanceError):
                setattr(make(), name, None)
            changed = dataclasses.replace(make(), **{name: None})
            self.assertIsNone(getattr(changed, name))
            self.assertNotEqual(changed, expected)

    def test_no_other_attributes(self) -> None:
        for make, expected in self.each():
            for answer in (make(), expected):
                for name in ("other", "_other", "__other__"):
                    with self.assertRaisesRegex(AttributeError, f"{type(expected).__name__}.*{name}"):
                        getattr(answer, name)

    def test_threads_read_the_same(self) -> None:
        for make, expected in self.each():
            names = [each.name for each in dataclasses.fields(expected)]
            for _ in range(20):
                answer, begin, wrong = make(), threading.Barrier(len(names)), []

                def read(name: str) -> None:
                    begin.wait(60)
                    if getattr(answer, name) != getattr(expected, name):
                        wrong.append(name)

                threads = [threading.Thread(target=read, args=(name,)) for name in names]
                for thread in threads:
                    thread.start()
                for thread in threads:
                    thread.join()
                self.assertEqual(wrong, [])


if __name__ == "__main__":
    unittest.main()
