"""What operators ask of a service."""

from __future__ import annotations

from typing import Any, Callable, Mapping, Optional

from . import _arguments as arguments
from . import _native as native
from . import _replies as replies

_lib = native.lib


class Operators:
    """The calls for operators: nothing that they tell is for visitors."""

    def metrics(self) -> replies.Metrics:
        """What was counted since the service was opened; ``otp.h`` says what, at ``otp_metrics``. It waits for nothing.

        ``otp.metrics().get("calls", {}).get("create", {}).get("OTP_OK", 0)``
        """
        return replies.metrics(self._done(_lib.otp_metrics))

    def subject(self, subject: str) -> replies.Subject:
        """How a subject stands, as given to :meth:`unlock`. For operators: never show it to visitors."""
        return replies.subject(self._done(_lib.otp_subject, arguments.text(subject, "subject")))

    def unlock(self, subject: str) -> bool:
        """Forgets the failures of a subject, lifts its lock and enables it again. Whether there was anything.

        :param subject: a request's subject, phone number, Messenger id or e-mail address, or a token: 1 to 256 bytes.
        :raises ArgumentError: it can be none of these.
        """
        return replies.found(self._done(_lib.otp_unlock, arguments.text(subject, "subject")))

    def erase(self, recipient: str) -> bool:
        """Erases all records with this recipient: whether there were any. Counters and locks stay until they end.

        :param recipient: a phone number or another address of a request, at most 64 bytes, of mail 254.
        :raises ArgumentError: it can be no address.
        """
        return replies.found(self._done(_lib.otp_erase, arguments.text(recipient, "recipient")))

    def copy(self, repository: str, options: Optional[Mapping[str, Any]] = None) -> replies.Copied:
        """Copies the whole repository, all namespaces, into another one: a backup, or with ``{"move": True}`` a move.

        Live codes arrive in a backup expired. A move first freezes this repository for good: every later call on it
        raises :class:`StoreError`. The copy is opened with the same key.

        :param repository: where to, as the option of that name: empty, or holding an unfinished copy of this one.
        :param options: ``move``, and for the other repository ``durability``, ``caFile``, ``poolSize``,
            ``waitReplicas``.
        :raises ArgumentError: ``repository`` is not empty, or is this one.
        :raises StoreError: call it again, with the same parameters.
        """
        where = arguments.text(repository, "repository")
        return replies.copied(self._done(_lib.otp_copy, where, arguments.request(options, {})))

    def _done(self, function: Callable[..., int], *args: Any) -> bytes:
        """The reply of a call that must succeed."""
        raise NotImplementedError
