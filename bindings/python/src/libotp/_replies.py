"""What calls return, and the message that a sender is given. Immutable; what is secret is not in their ``repr``.

What a call returns is read from its JSON when it is first asked for a member: many callers never ask for one.
"""

from __future__ import annotations

import datetime
from dataclasses import dataclass, field
from typing import Any, Dict, Mapping, Optional, Tuple, TypedDict, cast

from ._result import Result
from ._unread import Reply, Unread, decoded, later, read_later


def _date(text: str) -> datetime.datetime:
    # Python reads the Z of RFC 3339 from 3.11 on.
    return datetime.datetime.fromisoformat(text.replace("Z", "+00:00"))


def _optional_date(text: Optional[str]) -> Optional[datetime.datetime]:
    return None if text is None else _date(text)


@dataclass(frozen=True)
class Step:
    """A step of a delivery: begun, skipped or stopped."""

    channel: str
    #: "sending", "accepted", "submitted", "delivered", "read", "rejected", "undeliverable", "failed", "in_doubt",
    #: "skipped" or "stopped".
    status: str
    #: When it came to this.
    at: datetime.datetime
    message_uuid: Optional[str] = None
    #: Why it went no further.
    error: Optional[str] = None
    #: The name of its sender, where senders have names.
    sender: Optional[str] = None


@read_later
@dataclass(frozen=True)
class Delivery(Reply):
    """How a message stands."""

    #: What the newest step's sender is: "dispatch", "messages", "host", "console" or "none".
    via: str
    #: As :attr:`Step.status`.
    state: str
    channel: Optional[str] = None
    message_uuid: Optional[str] = None
    dispatch_uuid: Optional[str] = None
    #: Empty except in ``status``.
    steps: Tuple[Step, ...] = ()
    #: The name of that sender, where senders have names.
    sender: Optional[str] = None


@dataclass(frozen=True)
class Message:
    """What a sender has to deliver. It holds the code: keep it out of logs (its ``repr`` does)."""

    #: "" in a later step only if the workflow had none for the host when the code was created.
    token: str = field(repr=False)
    #: Such as "sms".
    channel: str
    #: The address on that channel.
    to: str = field(repr=False)
    #: Who sends; "" when the step names nobody.
    from_: str
    #: What to send.
    text: str = field(repr=False)
    code: str = field(repr=False)
    expires_in_seconds: int
    locale: Optional[str] = None
    #: The name of the step's sender, where senders have names.
    sender: Optional[str] = None
    #: By what ``report`` names it.
    client_ref: Optional[str] = None
    #: Of a mail whose step has one. The code may stand in it.
    subject: Optional[str] = field(default=None, repr=False)


@read_later
@dataclass(frozen=True)
class Created(Reply):
    """A code that was created, or sent again. From ``channel`` on: with sender "none" alone, else None."""

    #: Rounded down.
    expires_in_seconds: int
    attempts_left: int
    delivery: Delivery
    channel: Optional[str] = None
    to: Optional[str] = field(default=None, repr=False)
    from_: Optional[str] = None
    text: Optional[str] = field(default=None, repr=False)
    code: Optional[str] = field(default=None, repr=False)
    locale: Optional[str] = None
    subject: Optional[str] = field(default=None, repr=False)


@read_later
@dataclass(frozen=True)
class Check(Reply):
    """What checking a code came to. It is true if the code was right, and false otherwise."""

    result: Result
    #: None for an unknown token.
    attempts_left: Optional[int] = None
    #: When locked: after how many seconds to try again. None: waiting does not help.
    retry_after_seconds: Optional[int] = None
    #: When locked: "code" (ask for a new one), "subject" (wait) or "disabled" (see ``unlock``).
    locked: Optional[str] = None

    def __bool__(self) -> bool:
        return self.result is Result.OK

    @property
    def message(self) -> str:
        """The sentence to show the user."""
        return self.result.message


@read_later
@dataclass(frozen=True)
class Status(Reply):
    """How a token's code stands. Dates are aware and in UTC."""

    token: str = field(repr=False)
    #: "checked", "cancelled", "locked", "expired" or "pending".
    state: str
    creation_date: datetime.datetime
    expiry_date: datetime.datetime
    is_checked: bool
    attempts_left: int
    delivery: Delivery
    check_date: Optional[datetime.datetime] = None


@read_later
@dataclass(frozen=True)
class Webhook(Reply):
    """What a webhook said."""

    #: "status" (of a message), "final" (of a dispatch), "inbound" (somebody wrote to us) or "other" (a kind that is
    #: not known).
    kind: str
    #: Whether it is about a message of ours.
    known: Optional[bool] = None
    #: Whether it told nothing new.
    duplicate: Optional[bool] = None
    #: As :attr:`Step.status`.
    state: Optional[str] = None
    from_: Optional[str] = field(default=None, repr=False)
    channel: Optional[str] = None
    text: Optional[str] = field(default=None, repr=False)
    #: Which of these were too long and cut.
    shortened: Tuple[str, ...] = ()


@read_later
@dataclass(frozen=True)
class Report(Reply):
    """What became of a report."""

    #: Whether it is about a delivery of this repository.
    known: bool
    #: How far the message has come, as :attr:`Step.status`.
    state: Optional[str] = None


@read_later
@dataclass(frozen=True)
class Due(Reply):
    """What a run of due work did."""

    #: Steps of deliveries.
    ran: int
    #: Records removed.
    purged: int
    #: None: nothing is due.
    next_due_in_milliseconds: Optional[int] = None


@read_later
@dataclass(frozen=True)
class Subject(Reply):
    """How a subject stands."""

    #: In a row.
    failures: int
    #: "subject" or "disabled". None: guesses are looked at.
    locked: Optional[str] = None
    #: Rounded up, at least 1. None: waiting does not help, or is not needed.
    retry_after_seconds: Optional[int] = None


@dataclass(frozen=True)
class Copied:
    """What a copy took along."""

    #: Rows.
    rows: int
    #: Rows that are damaged, and were left.
    skipped: int


class Metrics(TypedDict, total=False):
    """What a service has counted. A counter that is 0 is absent, and so is a group without any."""

    #: By call and result: ``calls["create"]["OTP_OK"]``.
    calls: Dict[str, Dict[str, int]]
    #: Messages by sender: "accepted", "refused", "failed" or "in_doubt".
    send: Dict[str, Dict[str, int]]
    #: "submitted", "delivered", "read", "rejected", "undeliverable", "failed", "duplicate" or "unknown".
    reports: Dict[str, int]
    #: "operations", "microseconds", "busy", "failed".
    store: Dict[str, int]
    #: Codes that were good when the service last went over all rows (``run_due``, ``background``). Absent before.
    live: int
    #: Timed steps that the last full round found due.
    due: int


def message(event: Mapping[str, Any]) -> Message:
    return Message(
        token=event["token"],
        channel=event["channel"],
        to=event["to"],
        from_=event["from"],
        text=event["text"],
        code=event["code"],
        expires_in_seconds=event["expiresInSeconds"],
        locale=event.get("locale"),
        sender=event.get("sender"),
        client_ref=event.get("clientRef"),
        subject=event.get("subject"),
    )


def _step(step: Mapping[str, Any]) -> Step:
    return Step(
        channel=step["channel"],
        status=step["status"],
        at=_date(step["at"]),
        message_uuid=step.get("messageUuid"),
        error=step.get("error"),
        sender=step.get("sender"),
    )


def _delivery(delivery: Mapping[str, Any]) -> Dict[str, Any]:
    return {
        "via": delivery["via"],
        "state": delivery["state"],
        "channel": delivery.get("channel"),
        "message_uuid": delivery.get("messageUuid"),
        "dispatch_uuid": delivery.get("dispatchUuid"),
        "steps": tuple(map(_step, delivery.get("steps", ()))),
        "sender": delivery.get("sender"),
    }


def _created(reply: Mapping[str, Any]) -> Dict[str, Any]:
    return {
        # A repeated answer about a code that has ended tells no seconds and no attempts.
        "expires_in_seconds": reply.get("expiresInSeconds", 0),
        "attempts_left": reply.get("attemptsLeft", 0),
        "delivery": later(Delivery, _delivery, reply["delivery"]),
        "channel": reply.get("channel"),
        "to": reply.get("to"),
        "from_": reply.get("from"),
        "text": reply.get("text"),
        "code": reply.get("code"),
        "locale": reply.get("locale"),
        "subject": reply.get("subject"),
    }


def _check(reply: Mapping[str, Any], result: Result) -> Dict[str, Any]:
    return {
        "result": result,
        "attempts_left": reply.get("attemptsLeft"),
        "retry_after_seconds": reply.get("retryAfterSeconds"),
        "locked": reply.get("locked"),
    }


def _status(reply: Mapping[str, Any]) -> Dict[str, Any]:
    return {
        "token": reply["token"],
        "state": reply["state"],
        "creation_date": _date(reply["creationDate"]),
        "expiry_date": _date(reply["expiryDate"]),
        "is_checked": reply["isChecked"],
        "attempts_left": reply["attemptsLeft"],
        "delivery": later(Delivery, _delivery, reply["delivery"]),
        "check_date": _optional_date(reply.get("checkDate")),
    }


def _webhook(reply: Mapping[str, Any]) -> Dict[str, Any]:
    return {
        "kind": reply["kind"],
        "known": reply.get("known"),
        "duplicate": reply.get("duplicate"),
        "state": reply.get("state"),
        "from_": reply.get("from"),
        "channel": reply.get("channel"),
        "text": reply.get("text"),
        "shortened": tuple(reply.get("shortened", ())),
    }


def _report(reply: Mapping[str, Any]) -> Dict[str, Any]:
    return {"known": reply["known"], "state": reply.get("state")}


def _due(reply: Mapping[str, Any]) -> Dict[str, Any]:
    return {
        "ran": reply["ran"],
        "purged": reply["purged"],
        "next_due_in_milliseconds": reply.get("nextDueInMilliseconds"),
    }


def _subject(reply: Mapping[str, Any]) -> Dict[str, Any]:
    return {
        "failures": reply["failures"],
        "locked": reply.get("locked"),
        "retry_after_seconds": reply.get("retryAfterSeconds"),
    }


def created(reply: Unread) -> Created:
    return later(Created, _created, reply)


def check(result: Result, reply: Unread) -> Check:
    # Most ask for the result alone.
    answer = later(Check, _check, reply, result)
    vars(answer)["result"] = result
    return answer


def status(reply: Unread) -> Status:
    return later(Status, _status, reply)


def webhook(reply: Unread) -> Webhook:
    return later(Webhook, _webhook, reply)


def report(reply: Unread) -> Report:
    return later(Report, _report, reply)


def due(reply: Unread) -> Due:
    return later(Due, _due, reply)


def subject(reply: Unread) -> Subject:
    return later(Subject, _subject, reply)


def metrics(reply: bytes) -> Metrics:
    members = decoded(reply)
    del members["result"]
    return cast(Metrics, members)


def copied(reply: bytes) -> Copied:
    fields = decoded(reply)
    return Copied(fields["rows"], fields["skipped"])


def found(reply: bytes) -> bool:
    """Whether there was anything of the name that was given."""
    return bool(decoded(reply)["found"])
