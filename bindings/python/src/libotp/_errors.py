"""The exceptions, and how a reply becomes one."""

from __future__ import annotations

from typing import Any, Dict, Mapping, NoReturn, Optional, Tuple, Type

from ._replies import Created, created
from ._result import Result, result_of
from ._unread import decoded


class Error(Exception):
    """Whatever the library did not do, and the base of all exceptions here.

    Its text is one line without a code, a token, a recipient or a key. It can be pickled.
    """

    def __init__(self, message: str, result: Result = Result.E_INTERNAL, reply: Optional[Mapping[str, Any]] = None):
        super().__init__(message)
        self._reply: Dict[str, Any] = dict(reply or {})
        #: The result of the call.
        self.result = result

    def __reduce__(self) -> Tuple[Any, ...]:
        return type(self), (str(self), self.result, self._reply)

    @property
    def retry_after_seconds(self) -> Optional[int]:
        """After how many seconds a new attempt may succeed: at least 1. None: not known, or waiting does not help."""
        return self._reply.get("retryAfterSeconds")


class Refused(Error):
    """A considered no, to show the user: ``result`` is positive, and the text is the sentence to show.

    :meth:`Service.create <libotp.Service.create>`, ``resend``, ``cancel`` and ``status`` raise it; ``verify`` and
    ``check`` return their no.
    """

    @property
    def locked(self) -> Optional[str]:
        """What is locked: "code" (ask for a new one), "subject" (wait) or "disabled" (see ``unlock``)."""
        return self._reply.get("locked")


class ArgumentError(Error, ValueError):
    """A parameter, or a member of the request, is wrong, or the service is closed. Nothing was done."""


class ConfigError(Error, ValueError):
    """The configuration or the key is wrong."""


class StoreError(Error):
    """The repository failed. What was asked may have been done."""


class BusyError(Error):
    """The repository was in use for 10 s. Certainly nothing was done."""


class SendError(Error):
    """The message was not sent, or perhaps. With a Python sender, ``__cause__`` is what the sender raised."""

    @property
    def in_doubt(self) -> bool:
        """True: it may have been sent and its code is good, so do not retry blindly. False: certainly not sent."""
        return self.result is Result.E_IN_DOUBT

    @property
    def created(self) -> Optional[Created]:
        """How the code and its delivery stand, if that is known: when in doubt, how long the code is good."""
        return created(self._reply) if "delivery" in self._reply else None

    @property
    def http_status(self) -> Optional[int]:
        """The HTTP status of the carrier's answer, if there was one."""
        return self._reply.get("httpStatus")

    @property
    def vendor_code(self) -> Optional[str]:
        """The carrier's code of the error, if it told one."""
        code = self._reply.get("vendorCode")
        return None if code is None else str(code)

    @property
    def vendor_title(self) -> Optional[str]:
        """The carrier's title of the error, if it told one."""
        return self._reply.get("vendorTitle")


class SignatureError(Error):
    """The signature of the webhook is wrong: answer 401."""


class UnsignedError(Error):
    """The webhook carries no signature: answer 503, and the carrier sends it again, signed."""


class RandomError(Error):
    """The operating system gave no random numbers."""


class UnsupportedError(Error):
    """The configuration does not provide what was asked for."""


class InternalError(Error):
    """A defect of the library. The service stays usable."""


class NotSent(Exception):
    """A sender raises it when the message was certainly not sent: the next step of the workflow is tried."""


_KINDS: Dict[Result, Type[Error]] = {
    Result.E_ARGUMENT: ArgumentError,
    Result.E_CONFIG: ConfigError,
    Result.E_STORE: StoreError,
    Result.E_BUSY: BusyError,
    Result.E_SEND: SendError,
    Result.E_IN_DOUBT: SendError,
    Result.E_SIGNATURE: SignatureError,
    Result.E_UNSIGNED: UnsignedError,
    Result.E_RANDOM: RandomError,
    Result.E_UNSUPPORTED: UnsupportedError,
    Result.E_INTERNAL: InternalError,
}


def error(result: Result, reply: Mapping[str, Any]) -> Error:
    """The exception of a result that is not OK."""
    kind = Refused if result.value > 0 else _KINDS.get(result, Error)
    return kind(reply.get("message") or result.message, result, reply)


def argument_error(message: str) -> ArgumentError:
    """The exception for an argument that never reaches the library."""
    return ArgumentError(message, Result.E_ARGUMENT)


def raise_failed(number: int, reply: bytes, cause: Optional[BaseException] = None) -> NoReturn:
    """Raises what a result and its reply say; an exception of a sender is the cause of what came of its message."""
    failure = error(result_of(number), decoded(reply))
    raise failure from (cause if isinstance(failure, SendError) else None)
