"""What keeps deliveries going: reports on messages, and due work."""

from __future__ import annotations

from typing import Any, Callable, Mapping, Optional, Union

from . import _arguments as arguments
from . import _native as native
from . import _replies as replies

_lib = native.lib


class Upkeep:
    """The calls by which a delivery goes on."""

    def webhook(self, authorization: Optional[str], body: Union[bytes, bytearray]) -> replies.Webhook:
        """Takes in a webhook of the carrier, if its signature is right.

        Answer 200 when this returns, and ``error.result.http_status`` of an error that it raises.

        :param authorization: the request's header of that name. None: it has none.
        :param body: the request's body as it came, at most 64 KiB.
        :raises SignatureError: the signature is wrong.
        :raises UnsignedError: it carries none; the carrier sends it again, signed, after a 5xx.
        :raises UnsupportedError: the configuration has no ``webhook``.
        """
        if not isinstance(body, (bytes, bytearray)):
            raise TypeError(f"body must be bytes, not {type(body).__name__}")
        header = arguments.optional_text(authorization, "authorization")
        # A copy with its own length: another thread may change a bytearray at any time.
        content = bytes(body)
        return replies.webhook(self._done(_lib.otp_webhook, header, content, len(content)))

    def report(
        self,
        report: Optional[Mapping[str, Any]] = None,
        *,
        client_ref: Optional[str] = None,
        sender: Optional[str] = None,
        message_id: Optional[str] = None,
        status: Optional[str] = None,
        error: Optional[str] = None,
    ) -> replies.Report:
        """Takes what you know about a message, a receipt that you have authenticated, and goes on as :meth:`webhook`.

        Never let an open URL call it: whoever can, can have the next step sent.

        :param report: the members of ``otp_report`` in ``otp.h``, by their JSON names. Keywords are the same.
        :param client_ref: the message's :attr:`Message.client_ref`; or else ``sender``, its name in ``senders`` or
            ``sender.type``, and ``message_id``.
        :param status: "submitted", "delivered", "read", "rejected", "undeliverable" or "failed".
        :param error: why, for :attr:`Step.error`.
        :raises ArgumentError: the report makes no sense.
        """
        fields = {
            "clientRef": client_ref,
            "sender": sender,
            "messageId": message_id,
            "status": status,
            "error": error,
        }
        return replies.report(self._done(_lib.otp_report, arguments.request(report, fields, "report")))

    def run_due(self) -> replies.Due:
        """Does what is due: steps of deliveries, and the removal of old records. At most 100 ms of work.

        Call it once a second with timed failover, else once a minute or never.
        """
        return replies.due(self._done(_lib.otp_run_due))

    def _done(self, function: Callable[..., int], *args: Any) -> bytes:
        """The reply of a call that must succeed."""
        raise NotImplementedError
