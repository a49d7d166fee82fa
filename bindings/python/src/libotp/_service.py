"""The service."""

from __future__ import annotations

import ctypes
import weakref
from typing import Any, Callable, List, Mapping, NoReturn, Optional, Sequence, Tuple

from . import _arguments as arguments
from . import _callbacks as callbacks
from . import _native as native
from . import _replies as replies
from ._arguments import Config
from ._callbacks import Clock, Logger, Sender, raised
from ._errors import argument_error, raise_failed
from ._operators import Operators
from ._result import Result, result_of
from ._unread import decoded
from ._upkeep import Upkeep

_lib = native.lib

#: A code of blanks alone is no guess, and no mistake of the host.
NOT_VALID: int = Result.NOT_VALID.value

#: They may send a step that their caller did not ask for.
_UNASKED = (_lib.otp_run_due, _lib.otp_webhook, _lib.otp_report)

#: Buffers for replies that no call uses at the moment. A callback may call again, so one for each thread is not enough.
#: They are pointers, and the size a C number, since ctypes takes longer to make them of an array and an ``int``.
_buffers: List[Any] = []
_REPLY_SIZE = ctypes.c_size_t(native.REPLY_SIZE)


def _invoke(function: Callable[..., int], *args: Any) -> Tuple[int, bytes]:
    """Calls a function whose last parameters are a buffer for the reply and its size; its result and the reply."""
    try:
        buffer = _buffers.pop()
    except IndexError:
        buffer = ctypes.cast(ctypes.create_string_buffer(native.REPLY_SIZE), ctypes.c_char_p)
    try:
        return function(*args, buffer, _REPLY_SIZE), buffer.value
    finally:
        _buffers.append(buffer)


class Service(Upkeep, Operators):
    """Creates codes, has them delivered, and verifies each once.

    Any number of threads may use a service at once, and any number of processes the same repository. A service that
    was opened before ``os.fork`` works in the child too. It is a context manager; one that is never closed is closed
    when it is collected, or when the interpreter exits. Methods wait for the disk, and ``create`` and ``resend`` for
    the carrier; other Python threads run meanwhile.

    Every method may raise what :class:`libotp.Error` covers, :class:`TypeError` for an argument of the wrong type, and
    :class:`libotp.ArgumentError` for one that is out of range or has a NUL character, and once the service is closed.

    :param config: the configuration: a mapping with the options below, or the same as JSON text. None is all defaults.
    :param sender: delivers messages, and implies sender type "host". None or True returned means sent. Raising
        :class:`libotp.NotSent` means certainly not sent: the next step of the workflow is tried. Any other exception
        means that it may have been sent: the code stays good, and :class:`libotp.SendError` has the exception as its
        cause.
    :param logger: a :class:`logging.Logger` or :class:`logging.LoggerAdapter`, which gets a line for each event and
        the event itself as the record's attribute ``otp``; or a function of the level (as in :mod:`logging`) and the
        event. What it raises goes to :func:`sys.unraisablehook`, and the event is lost.
    :param clock: tells the time in seconds, as :func:`time.time`. What it raises goes to :func:`sys.unraisablehook`,
        and the host's wall clock is read in its place.

    Options, with ranges and defaults:

    * ``repository`` (default "sqlite:otp.db"): Where codes are kept: "sqlite:PATH", "json:FOLDER" (readable files,
      for small hosts), "memory:", or, in a build with the feature ``redis`` or ``postgres``, a server that many
      hosts share: "redis://USER:PASSWORD@HOST:PORT", "rediss://" with TLS, "redis+sentinel://HOST,HOST/MASTER",
      "redis+cluster://HOST,HOST", "postgres://USER:PASSWORD@HOST/DATABASE". A file or folder is made when there is
      none, readable for its owner alone, and any number of processes may open it. "memory:" belongs to the process.
    * ``key`` (32 bytes or more, in Base64; default none): The key from which all codes follow, in place of
      ``keyFile``.
    * ``keyFile`` (default the repository's path and ".key"; none for "memory:"): The file that holds the key. It is
      made, with mode 0600, only together with a new repository. A file that you name may be what an orchestrator
      mounts: a symbolic link, root's, readable by its group; by everybody only if it is root's on a read-only
      mount.
    * ``previousKeys`` (up to 16; default none): Keys with which older codes still verify.
    * ``namespace`` (1 to 64 bytes; default "default"): Tenants that share a repository never see each other's
      codes, locks or limits.
    * ``otpLength`` (4 to 10; default 6): Digits of a code.
    * ``validityTime`` (1/60 to 1440; default 5): How many minutes a code is good. Fractions are allowed.
    * ``maxAttempts`` (1 to 10; default 5): How many wrong guesses a code allows.
    * ``policy.profile`` (default "standard"): Tightens the defaults, and refuses options that are weaker: "nist"
      (NIST SP 800-63B-4) wants 6 digits or more and 10 minutes at most; "psd2" (Regulation (EU) 2018/389) 5
      failures at most, for ``maxAttempts`` and ``lockAfter``, and a ``context`` with every code; "pci" (PCI DSS
      4.0.1) ``lockAfter`` 10 at most and ``lockMinutes`` 30 or more.
    * ``policy.cooldownSeconds`` (0 to 3600; default 30): The time between two messages to one recipient, also after
      one that failed.
    * ``policy.sendLimits`` (up to 10 of 1 to 1000 in 1 to 1440 minutes; default 5 in 10, 15 in 60, 50 in 1440
      minutes): How many messages a recipient gets in how many minutes: [{"count": 5, "minutes": 10}]; with
      "channel": "sms" only those of that channel count.
    * ``policy.subjectFailures.lockAfter`` (1 to 100; default 10): After every so many failures in a row a subject
      is locked for a while.
    * ``policy.subjectFailures.lockMinutes`` (1 to 1440; default 30): How long that lock lasts.
    * ``policy.subjectFailures.disableAfter`` (1 to 100; default 100): After so many failures in a row only
      otp_unlock() opens the subject again.
    * ``policy.countries`` (1 to 1000 of 1 to 7 digits; default every country): Calling codes, or longer beginnings
      of numbers, that messages go to, such as ["39"]. Any other number is OTP_REFUSED.
    * ``policy.retentionMinutes`` (0 to 43200; default 1440): How long a code is kept after its end, to answer
      "used" or "expired".
    * ``message`` (default "Insert the following code: {code}"): The text to send, or texts by locale: {"en": "...",
      "it": "..."}, of which the request's, its language's, the English or the first one is taken. {code}, {minutes}
      (those left, rounded up), {brand} and the names in a request's ``params`` are filled in; a name without a
      value is OTP_E_ARGUMENT. {code} must be there.
    * ``brand`` (1 to 64 bytes; default none): What {brand} stands for.
    * ``webOtpDomain`` (default none): Adds a last line to an SMS by which browsers fill the code in on this site
      (WebOTP).
    * ``androidHash`` (11 characters of Base64; default none): Adds a last line to an SMS by which this Android app
      finds the code (SMS Retriever). Not together with ``webOtpDomain``.
    * ``ownCodes`` (default false): Whether a request may bring its own ``code``.
    * ``accept`` (default all): The members that a request may have; any other is OTP_E_ARGUMENT. For hosts that
      pass on what comes from outside.
    * ``defaultCountry`` (default none): The calling code, such as "39", with which a number without + or 00 is
      read.
    * ``sender.type`` (default "console" without ``sender``; needed in it): Who delivers. "console" prints to
      standard error, for development. "host" calls the function of otp_on_send(). "none" puts the message into the
      reply, for you to send. "messages" and "dispatch" are the carrier Vonage, "http" is any other, by a request
      that you describe. "smtp" is a server for mail, in a build with the feature ``smtp``.
    * ``sender.applicationId`` (1 to 256 visible ASCII characters; default none): The carrier's application, for
      requests with a signed token.
    * ``sender.privateKey`` (default none): The application's RSA key: PEM text, also in Base64 as a whole, or the
      path of a file that holds it. Where a text may be both, write the path with /, ./ or ../ at its beginning.
    * ``sender.apiKey`` (1 to 256 visible ASCII characters; default none): The carrier's account, for requests with
      a password.
    * ``sender.apiSecret`` (1 to 256 visible ASCII characters; default none): The password of that account.
    * ``sender.auth`` (default "jwt" with a ``privateKey``, else "basic"): How requests are authorised.
    * ``sender.baseUrl`` (default ``https://api.nexmo.com``): Where requests go. http:// is for this machine alone.
    * ``sender.timeoutSeconds`` (1 to 120; default 10): The time for all requests of one call; with ``senders`` for
      a message of this one, and a call that fails over may take the sum of all its steps'.
    * ``sender.url`` (default none; needed with "http"): With "http": where requests go. Scheme, host and port are
      literal; path and query may have placeholders. http:// is for loopback alone, decided after the look-up. No
      redirect is followed, no proxy used.
    * ``sender.method`` (default "POST"): With "http". "GET" has no body: it needs ``query``.
    * ``sender.headers`` (up to 16 of printable ASCII; default none): With "http": further headers. Their values are
      literal: {{ and }} are braces, and a placeholder is refused.
    * ``sender.basic`` (default none): With "http": name and password of the account. Not together with ``bearer``.
    * ``sender.bearer`` (1 to 4096 visible ASCII characters; default none): With "http": the token of the account.
    * ``sender.json`` (default none; one of ``json``, ``form`` and ``query`` is needed with "http"): With "http":
      the body as a tree of JSON. Its texts may hold {to}, {from}, {text}, {code}, {subject} (of a mail), {digits}
      (the code's letters and digits one by one, for a voice: 1, 2, 3), {channel}, {locale} ("en" where none was
      asked for), {ref} (by which otp_report() finds the message), {minutes} and {params.NAME}, each encoded for its
      place; {{ and }} are braces. {"$json": tree} is a tree as JSON in a text; {"$locale": {"en": tree, "it":
      tree}} is the tree for the request's locale, chosen as ``message`` is. In a text that is markup, such as
      "<Say>{digits}</Say>", only {digits}, {ref} and {minutes} may stand. {text}, {code} or {digits} must be there.
    * ``sender.form`` (default none): With "http": the body as a form: names with texts as in ``json``, numbers,
      true, false, {"$json": tree}, {"$locale": ...} of these, or lists of these.
    * ``sender.query`` (default none): With "http": the same in the URL, without a body. A code in it is a warning:
      servers and proxies write URLs into logs.
    * ``sender.accepted`` (default 200 to 299): With "http": answers that say that the message was taken: statuses,
      of 200 to 299, and ``{"path": [values]}``, such as ``{"messages.0.status": ["0"]}``. Paths decide before
      statuses; an answer that says two things, or none, leaves the message in doubt.
    * ``sender.notTaken`` (default none): With "http": the same for a message that was certainly not taken, and that
      another try may bring: up to 3 tries within the time.
    * ``sender.refused`` (default none): With "http": the same for one that is certainly not going to be taken: the
      next step begins. If none is left, 401 and 402 are OTP_E_SEND, since they are about the account, and all
      others OTP_REFUSED.
    * ``sender.messageId`` (default none): With "http": the path in a good answer to the message's identifier, by
      which otp_report() finds it too.
    * ``sender.host`` (default none; needed with "smtp"): With "smtp": the server's name or address.
    * ``sender.port`` (1 to 65535; default 587, with "implicit" 465; needed with ``tls`` "none"): With "smtp": its
      port.
    * ``sender.tls`` (default "starttls"): With "smtp": "implicit" is TLS from the first byte. "none" is for
      loopback alone, decided after the look-up.
    * ``sender.user`` (1 to 256 bytes; default none): With "smtp": the account, told under TLS alone.
    * ``sender.password`` (1 to 256 bytes; default none; needed with ``user``): With "smtp": its password.
    * ``senders`` (1 to 8; default none): Several senders by name, instead of ``sender``: {"NAME": {"type": ...}}. A
      name is a lower-case letter, then letters, digits or _, 16 in all. "dispatch" and "none" stand alone.
    * ``workflow[].channel`` (1 to 5 steps; 1 to 32 lower-case letters, digits or _; default "messenger", then
      "sms"; needed in a step): The channel of a step. With Vonage "messenger", "sms", "whatsapp", "viber_service"
      or, with "messages", "rcs". "voice" is a call, and "email" a mail, with any sender but Vonage; "smtp" has
      "email" alone. Profile "nist" has no "email" (SP 800-63B-4, 3.1.3.1).
    * ``workflow[].sender`` (default the only one): The name of the step's sender, where there are several.
    * ``workflow[].from`` (1 to 64 bytes, with "smtp" 320; default "NEXMO" for SMS with Vonage, else none; needed
      with "smtp"): The sender's address. With Vonage a step without one is left out, with a warning. With "smtp" it
      is name@example.com or Name <name@example.com>.
    * ``workflow[].subject`` (up to 256 bytes; default "Your code", with a ``brand`` "{brand}: your code"): The
      subject of a mail, filled in as ``message`` is. {code} may stand in it. Messages that you deliver yourself
      have one only where it is given here.
    * ``workflow[].expiryTime`` (15 to 86400; default 120): How many seconds a step waits for ``conditionStatus``
      before the next one begins.
    * ``workflow[].conditionStatus`` (default with Vonage "read", "delivered" for SMS; else none): What makes the
      next step needless. "verified" needs no report, and works with every sender but "dispatch".
    * ``workflow[].template`` (default ``message``): A text of the step's own; for WhatsApp through a carrier also
      the name of an approved template.
    * ``background`` (default false): Whether a thread of the service does what otp_run_due() does: see "Threads".
    * ``webhook.signatureSecret`` (4 to 256 bytes; default none; needed in ``webhook``): The account's secret, by
      which otp_webhook() checks signatures.
    * ``webhook.apiKey`` (default any): The only account whose webhooks are taken.
    * ``webhook.applicationId`` (default any): A webhook that names another application is refused; one that names
      none is taken.
    * ``webhook.maxAgeSeconds`` (1 to 86400; default 300): How far from now, either way, a webhook may have been
      signed.
    * ``durability`` (default "full"; "engine" with Redis): What a change survives: "full" a loss of power,
      "process" the end of the process. Redis has "engine" alone: a failover may forget the last ones.
    * ``caFile`` (default the platform's authorities): The only authorities that are trusted, in PEM, for
      "rediss://" and "postgres://".
    * ``poolSize`` (1 to 64; default 8): How many connections to the server a service keeps.
    * ``waitReplicas`` (0 to 16; default 0): How many of the replicas must have a change before it is answered.

    Callbacks run on the thread that called, several at once if several do. They may use the service, and close it.
    KeyboardInterrupt, SystemExit and the like, raised in one, are raised again when the call is over.

    :raises ConfigError: the configuration or the key is wrong.
    :raises StoreError, BusyError, RandomError, UnsupportedError: as they say.
    """

    def __init__(
        self,
        config: Config = None,
        *,
        sender: Optional[Sender] = None,
        logger: Optional[Logger] = None,
        clock: Optional[Clock] = None,
    ) -> None:
        callbacks.check(sender, logger, clock)
        handle = ctypes.c_void_p()
        number, reply = _invoke(_lib.otp_open, arguments.config(config, sender is not None), ctypes.byref(handle))
        if number:
            raise_failed(number, reply)
        self._finalizer = weakref.finalize(self, _lib.otp_close, handle)
        self._handle: Any = handle
        #: What the configuration should rather not be, in sentences.
        self.warnings: Tuple[str, ...] = tuple(decoded(reply).get("warnings", ()))
        self._has_callbacks = any(each is not None for each in (sender, logger, clock))
        try:
            if clock is not None:
                callbacks.set_clock(handle, clock)
            if logger is not None:
                callbacks.set_logger(handle, logger)
            if sender is not None:
                callbacks.set_sender(handle, sender)
        except BaseException:
            self.close()
            raise

    def __enter__(self) -> Service:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __reduce__(self) -> NoReturn:
        raise TypeError("a service cannot be pickled or copied: open one in each process")

    @property
    def closed(self) -> bool:
        """Whether :meth:`close` was called."""
        return self._handle is None

    def close(self) -> None:
        """Closes the service: waits for calls that run in other threads. A second time is fine.

        In a callback of this service it returns at once, and the service ends with the call that is running.
        """
        self._handle = None
        self._finalizer()

    def create(
        self,
        token: str,
        request: Optional[Mapping[str, Any]] = None,
        *,
        messenger_id: Optional[str] = None,
        phone_number: Optional[str] = None,
        email: Optional[str] = None,
        channels: Optional[Sequence[str]] = None,
        subject: Optional[str] = None,
        context: Optional[str] = None,
        locale: Optional[str] = None,
        params: Optional[Mapping[str, str]] = None,
        idempotency_key: Optional[str] = None,
        client: Optional[str] = None,
        code: Optional[str] = None,
        **addresses: Optional[str],
    ) -> replies.Created:
        """Draws a code for ``token`` and has it delivered.

        Let nobody outside choose both the token and an address: whoever does receives the token's code. A new code
        replaces the token's live one.

        :param token: the host's name for what the code is good for: 1 to 256 bytes of UTF-8, no control characters.
        :param request: the members of ``otp_create`` in ``otp.h``, by their JSON names.
        :param addresses: other addresses by their channel. This and all other keywords are the same as ``request``; one
            that is None is left out.
        :raises Refused: LOCKED, RATE_LIMITED, REFUSED: nothing was drawn or sent. CANCELLED: cancelled, erased or
            replaced while it was being sent.
        :raises SendError: ``in_doubt`` False: certainly not sent, the code is cancelled; True: the code is good.
        :raises StoreError: it may have been stored.
        """
        name = arguments.text(token, "token")
        fields = {
            "messengerId": messenger_id,
            "phoneNumber": phone_number,
            "email": email,
            "channels": channels if channels is None or isinstance(channels, str) else list(channels),
            "subject": subject,
            "context": context,
            "locale": locale,
            "params": params if params is None else dict(params),
            "idempotencyKey": idempotency_key,
            "client": client,
            "code": code,
            **addresses,
        }
        return replies.created(self._done(_lib.otp_create, name, arguments.request(request, fields)))

    def resend(self, token: str, channel: Optional[str] = None) -> replies.Created:
        """Sends the token's code once more: the same code, within the time it has left. It counts as a send.

        :param channel: from the first step with this channel on, for "send it by SMS instead"; None: from the first.
        :raises Refused: as :meth:`create`; and UNKNOWN, CHECKED, CANCELLED, LOCKED, EXPIRED by the code's state.
        :raises SendError: as :meth:`create`, but the code stays good.
        """
        name = arguments.text(token, "token")
        if channel is None:
            return replies.created(self._done(_lib.otp_resend, name))
        return replies.created(self._done(_lib.otp_resend_channel, name, arguments.text(channel, "channel")))

    def verify(self, token: str, code: str, context: Optional[str] = None) -> bool:
        """Whether the code is right, which uses it up: of all calls in all processes, one alone is told True.

        Anything of 1 to 64 bytes is a guess and counts, except blanks and dashes alone: there is no code in those, and
        the answer is False. :meth:`check` tells why not.

        :param context: the one that the code was created with, if it was.
        """
        return self._check(token, code, context)[0] == 0

    def check(self, token: str, code: str, context: Optional[str] = None) -> replies.Check:
        """As :meth:`verify`, and tells more: the result, the attempts that are left and what is locked.

        The result is OK, NOT_VALID, CHECKED, EXPIRED, LOCKED or CANCELLED. Only OK is true.
        """
        number, reply = self._check(token, code, context)
        return replies.check(result_of(number), reply)

    def cancel(self, token: str) -> None:
        """Cancels the token's code, for good. One that is cancelled already is fine.

        :raises Refused: UNKNOWN, CHECKED, EXPIRED by the code's state.
        """
        self._done(_lib.otp_cancel, arguments.text(token, "token"))

    def status(self, token: str) -> replies.Status:
        """How the token's code stands; it sends nothing and counts nothing.

        :raises Refused: UNKNOWN: there is no such request.
        """
        return replies.status(self._done(_lib.otp_status, arguments.text(token, "token")))

    def _check(self, token: str, code: str, context: Optional[str]) -> Tuple[int, bytes]:
        name, typed = arguments.text(token, "token"), arguments.text(code, "code")
        if arguments.is_blank(code):
            return NOT_VALID, b"{}"
        if context is None:
            number, reply = self._call(_lib.otp_verify, name, typed)
        else:
            number, reply = self._call(_lib.otp_verify_context, name, typed, arguments.text(context, "context"))
        if number < 0:
            raise_failed(number, reply)
        return number, reply

    def _done(self, function: Callable[..., int], *args: Any) -> bytes:
        """The reply of a call that must succeed."""
        number, reply = self._call(function, *args)
        if number:
            raise_failed(number, reply)
        return reply

    def _call(self, function: Callable[..., int], *args: Any) -> Tuple[int, bytes]:
        """The result and the reply. What a sender raised is raised here, or is the cause of what is."""
        handle = self._handle
        if handle is None:
            raise argument_error("the service is closed")
        if not self._has_callbacks:
            return _invoke(function, handle, *args)
        # A sender may call in turn: what it raises belongs to its own call.
        outer, raised.error = raised.error, None
        raised.calls += 1
        try:
            number, reply = _invoke(function, handle, *args)
            cause = raised.error
        finally:
            raised.error = outer
            raised.calls -= 1
        if cause is not None:
            if not isinstance(cause, Exception):
                raise cause
            if number < 0:
                raise_failed(number, reply, cause)
            if function in _UNASKED:
                callbacks.tell("sender", cause)
        return number, reply
