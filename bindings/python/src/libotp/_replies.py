"""What calls return, and the message that a sender is given. Immutable; what is secret is not in their ``repr``."""

from __future__ import annotations

import datetime
from dataclasses import dataclass, field
from typing import Any, Mapping, Optional, Tuple

from ._result import Result


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


@dataclass(frozen=True)
class Delivery:
    """How a message stands."""

    #: By what: "dispatch", "messages", "host", "console" or "none".
    via: str
    #: As :attr:`Step.status`.
    state: str
    channel: Optional[str] = None
    message_uuid: Optional[str] = None
    dispatch_uuid: Optional[str] = None
    #: Empty but for ``status``.
    steps: Tuple[Step, ...] = ()


@dataclass(frozen=True)
class Message:
    """What a sender has to deliver. It holds the code: keep it out of logs (its ``repr`` does)."""

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


@dataclass(frozen=True)
class Created:
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


@dataclass(frozen=True)
class Check:
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


@dataclass(frozen=True)
class Status:
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


@dataclass(frozen=True)
class Webhook:
    """What a webhook said."""

    #: "status" (of a message), "final" (of a dispatch) or "inbound" (somebody wrote to us).
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


@dataclass(frozen=True)
class Due:
    """What a run of due work did."""

    #: Steps of deliveries.
    ran: int
    #: Records removed.
    purged: int
    #: None: nothing is due.
    next_due_in_milliseconds: Optional[int] = None


def _step(step: Mapping[str, Any]) -> Step:
    return Step(step["channel"], step["status"], _date(step["at"]), step.get("messageUuid"), step.get("error"))


def _delivery(delivery: Mapping[str, Any]) -> Delivery:
    steps = tuple(_step(step) for step in delivery.get("steps", ()))
    uuids = delivery.get("messageUuid"), delivery.get("dispatchUuid")
    return Delivery(delivery["via"], delivery["state"], delivery.get("channel"), *uuids, steps)


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
    )


def created(reply: Mapping[str, Any]) -> Created:
    # A repeated answer about a code that has ended tells no seconds and no attempts.
    left = reply.get("expiresInSeconds", 0), reply.get("attemptsLeft", 0)
    return Created(
        *left, _delivery(reply["delivery"]), *map(reply.get, ("channel", "to", "from", "text", "code", "locale"))
    )


def check(result: Result, reply: Mapping[str, Any]) -> Check:
    return Check(result, reply.get("attemptsLeft"), reply.get("retryAfterSeconds"), reply.get("locked"))


def status(reply: Mapping[str, Any]) -> Status:
    return Status(
        token=reply["token"],
        state=reply["state"],
        creation_date=_date(reply["creationDate"]),
        expiry_date=_date(reply["expiryDate"]),
        is_checked=reply["isChecked"],
        attempts_left=reply["attemptsLeft"],
        delivery=_delivery(reply["delivery"]),
        check_date=_optional_date(reply.get("checkDate")),
    )


def webhook(reply: Mapping[str, Any]) -> Webhook:
    return Webhook(
        kind=reply["kind"],
        known=reply.get("known"),
        duplicate=reply.get("duplicate"),
        state=reply.get("state"),
        from_=reply.get("from"),
        channel=reply.get("channel"),
        text=reply.get("text"),
        shortened=tuple(reply.get("shortened", ())),
    )


def due(reply: Mapping[str, Any]) -> Due:
    return Due(reply["ran"], reply["purged"], reply.get("nextDueInMilliseconds"))
