"""One-time passwords inside your own process: create a code, have it delivered, verify it exactly once.

.. code-block:: python

    import libotp

    with libotp.Service({"repository": "sqlite:otp.db"}) as otp:
        otp.create("session 1", phone_number="+39 333 123 4567")
        if otp.verify("session 1", input("Code: ")):
            print("Welcome")
"""

from ._arguments import Config
from ._async import AsyncService
from ._callbacks import Clock, Logger, Sender
from ._errors import (
    ArgumentError,
    BusyError,
    ConfigError,
    Error,
    InternalError,
    NotSent,
    RandomError,
    Refused,
    SendError,
    SignatureError,
    StoreError,
    UnsignedError,
    UnsupportedError,
)
from ._native import lib as _lib
from ._replies import Check, Copied, Created, Delivery, Due, Message, Metrics, Report, Status, Step, Subject, Webhook
from ._result import Result
from ._service import Service

#: The version of the library.
__version__: str = _lib.otp_version().decode()

__all__ = [
    "ArgumentError",
    "AsyncService",
    "BusyError",
    "Check",
    "Clock",
    "Config",
    "ConfigError",
    "Copied",
    "Created",
    "Delivery",
    "Due",
    "Error",
    "InternalError",
    "Logger",
    "Message",
    "Metrics",
    "NotSent",
    "RandomError",
    "Refused",
    "Report",
    "Result",
    "SendError",
    "Sender",
    "Service",
    "SignatureError",
    "Status",
    "Step",
    "StoreError",
    "Subject",
    "UnsignedError",
    "UnsupportedError",
    "Webhook",
]
