"""Python callables as C callbacks.

One C function for each kind serves all services and lives as long as the process, so none is ever freed under a call;
its ``user_data`` is a number by which the callable is found, until the library drops it.
"""

from __future__ import annotations

import ctypes
import inspect
import itertools
import json
import logging
import threading
import time
from typing import Any, Callable, Dict, Mapping, Optional, Union

from . import _native as native
from ._errors import NotSent, error
from ._replies import Message, message
from ._result import Result

#: Delivers a message: returning None or True means sent; see :class:`libotp.Service`.
Sender = Callable[[Message], Optional[bool]]
#: Takes log events: a standard logger, or a function of the level (as in :mod:`logging`) and the event's members.
Logger = Union[logging.Logger, "logging.LoggerAdapter[Any]", Callable[[int, Mapping[str, Any]], None]]
#: Tells the time in seconds since 1970-01-01T00:00Z, as :func:`time.time`.
Clock = Callable[[], float]

_LEVELS = {1: logging.ERROR, 2: logging.WARNING, 3: logging.INFO, 4: logging.DEBUG}

#: Loggers that are no functions.
LOGGERS = (logging.Logger, logging.LoggerAdapter)

_callables: Dict[int, Callable[..., Any]] = {}
_numbers = itertools.count(1)


class _Raised(threading.local):
    """What a callback raised in the call that runs on this thread, to be raised when the call is over."""

    error: Optional[BaseException] = None
    #: How many calls run on this thread, of which each waits for the next: none on the thread of ``background``.
    calls: int = 0


raised = _Raised()


def _report(where: str, exception: BaseException) -> None:
    """Hands an exception that nobody can catch to ``sys.unraisablehook``; a wish to end is raised after the call."""
    if not isinstance(exception, Exception):
        raised.error = exception
        return

    def reraise() -> None:
        raise exception

    # An exception that leaves a ctypes callback goes to the hook, with the function by whose name it is told.
    reraise.__qualname__ = f"libotp {where}"
    ctypes.PYFUNCTYPE(None)(reraise)()


def tell(where: str, exception: BaseException) -> None:
    """Hands over what a callback raised in a call that has succeeded; that it did not send is no failure."""
    if not isinstance(exception, NotSent):
        _report(where, exception)


def is_async(function: object) -> bool:
    """Whether calling it makes a coroutine."""
    return inspect.iscoroutinefunction(function) or inspect.iscoroutinefunction(getattr(function, "__call__", None))


def _send(number: int, text: bytes) -> int:
    try:
        given = message(json.loads(text))
        # It holds the code, and this frame is in the traceback of what the sender raises.
        del text
        answer = _callables[number](given)
        if answer is None or answer is True:
            return native.SENT
        raise TypeError(f"a sender returns None or True, not {type(answer).__name__}")
    except NotSent as exception:
        raised.error = exception
        return native.NOT_SENT
    except BaseException as exception:
        raised.error = exception
        if not raised.calls:
            _report("sender", exception)
        return native.IN_DOUBT


def _log(number: int, level: int, text: bytes) -> None:
    try:
        _callables[number](_LEVELS.get(level, logging.DEBUG), json.loads(text))
    except BaseException as exception:
        _report("logger", exception)


def _clock(number: int) -> int:
    try:
        milliseconds = int(_callables[number]() * 1000)
        if not -(2**63) <= milliseconds < 2**63:
            # ctypes would cut it to something else.
            raise OverflowError("a clock tells seconds since 1970")
        return milliseconds
    except BaseException as exception:
        _report("clock", exception)
        return int(time.time() * 1000)


def _drop(number: int) -> None:
    _callables.pop(number, None)


_SEND, _LOG = native.SendFunction(_send), native.LogFunction(_log)
_CLOCK, _DROP = native.ClockFunction(_clock), native.DropFunction(_drop)


def _logging(logger: Union[logging.Logger, "logging.LoggerAdapter[Any]"]) -> Callable[[int, Mapping[str, Any]], None]:
    def log(level: int, event: Mapping[str, Any]) -> None:
        if logger.isEnabledFor(level):
            others = (f"{name}={event[name]}" for name in ("channel", "record") if name in event)
            logger.log(level, "%s", " ".join((event["event"], event["result"], *others)), extra={"otp": event})

    return log


def _keep(function: Callable[..., Any]) -> int:
    number = next(_numbers)
    _callables[number] = function
    return number


def _set(number: int) -> None:
    if number:
        raise error(Result(number), {})


def set_sender(handle: Any, sender: Sender) -> None:
    """Sets the function that delivers.

    :raises UnsupportedError: the configuration has another sender than "host".
    """
    _set(native.lib.otp_on_send(handle, _SEND, _keep(sender), _DROP))


def set_logger(handle: Any, logger: Logger) -> None:
    """Sets who takes log events."""
    function = _logging(logger) if isinstance(logger, LOGGERS) else logger
    _set(native.lib.otp_on_log(handle, native.LOG_DEBUG, _LOG, _keep(function), _DROP))


def set_clock(handle: Any, clock: Clock) -> None:
    """Sets the clock."""
    _set(native.lib.otp_on_clock(handle, _CLOCK, _keep(clock), _DROP))


def check(sender: object, logger: object, clock: object) -> None:
    """Refuses what cannot be called, or only by an event loop."""
    for name, function in (("sender", sender), ("logger", logger), ("clock", clock)):
        if function is None or (name == "logger" and isinstance(function, LOGGERS)):
            continue
        if not callable(function):
            raise TypeError(f"{name} must be callable, not {type(function).__name__}")
        if is_async(function):
            raise TypeError(f"{name} must not be a coroutine function: AsyncService takes an async sender")
