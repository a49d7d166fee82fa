"""The results of the library."""

from __future__ import annotations

import enum
from typing import Any

from ._native import lib


class Result(enum.Enum):
    """What a call came to. The names are those of C without ``OTP_``, the values its numbers.

    Positive: a considered no, to show the user. Negative: the library could not answer, to log. Only ``OK`` is true.
    """

    OK = 0
    #: The code is not right, or there is none for this token.
    NOT_VALID = 1
    #: The code is right and has been used before.
    CHECKED = 2
    #: The code is right and too old, or a newer one replaced it.
    EXPIRED = 3
    #: Too many wrong codes, for this code or for its subject.
    LOCKED = 4
    #: Too many codes for this recipient.
    RATE_LIMITED = 5
    #: The code was cancelled.
    CANCELLED = 6
    #: The recipient's country is not on the list.
    REFUSED = 7
    #: There is no such request.
    UNKNOWN = 8
    E_ARGUMENT = -1
    E_CONFIG = -2
    E_STORE = -3
    E_BUSY = -4
    E_SEND = -5
    E_IN_DOUBT = -6
    E_SIGNATURE = -7
    E_UNSIGNED = -8
    E_RANDOM = -9
    E_UNSUPPORTED = -10
    E_INTERNAL = -11
    #: A refusal that this version of the package does not know yet; its value stands for no number of C.
    UNKNOWN_REFUSAL = 2**31 - 1
    #: A failure that this version of the package does not know yet; its value stands for no number of C.
    UNKNOWN_FAILURE = -(2**31)

    @classmethod
    def _missing_(cls, value: Any) -> Result | None:
        if not isinstance(value, int):
            return None
        return cls.UNKNOWN_REFUSAL if value > 0 else cls.UNKNOWN_FAILURE

    def __bool__(self) -> bool:
        return self is Result.OK

    @property
    def message(self) -> str:
        """One sentence, for a refusal the one to show the user."""
        text: bytes = lib.otp_result_message(self.value)
        return text.decode()

    @property
    def http_status(self) -> int:
        """The HTTP status with which a web service answers: 200 for ``OK`` alone."""
        status: int = lib.otp_result_http_status(self.value)
        return status


#: Calling the class to find a member costs more than a call of the library.
_BY_NUMBER = {result.value: result for result in Result}


def result_of(number: int) -> Result:
    """The result that the library answered with this number."""
    result = _BY_NUMBER.get(number)
    return Result(number) if result is None else result
