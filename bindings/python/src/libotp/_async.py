"""The service for asyncio."""

from __future__ import annotations

import asyncio
import concurrent.futures
import contextvars
import functools
import os
from typing import Any, Awaitable, Callable, Coroutine, List, Mapping, Optional, Sequence, Tuple, TypeVar, Union, cast

from . import _replies as replies
from ._arguments import Config
from ._callbacks import Clock, Logger, Sender, is_async
from ._errors import NotSent, argument_error
from ._service import Service

_T = TypeVar("_T")

#: A sender, or one that is a coroutine function.
AsyncSender = Union[Sender, Callable[[replies.Message], Awaitable[Optional[bool]]]]

_loop: contextvars.ContextVar[asyncio.AbstractEventLoop] = contextvars.ContextVar("libotp_loop")

#: How often a thread that waits for a coroutine looks whether its loop still runs.
_LOOK_SECONDS = 1.0


class AsyncService:
    """A :class:`libotp.Service` whose methods are coroutines.

    Calls run on threads of its own, so that the event loop and its default executor stay free. A call whose task is
    cancelled before it began is not made; one that is running is finished, and its answer is lost: a code that it
    verified is used up. It may be used from several event loops, and works after ``os.fork``.

    ``sender`` may be a coroutine function too, which runs on the event loop of the task that asked, and for a step that
    the option ``background`` sends on the loop that used the service last; it must not await methods of this service,
    whose threads may all be waiting for senders.

    Parameters and exceptions are those of :class:`libotp.Service`. Opening reads the disk; :meth:`open` does so on
    another thread.

    :param threads: how many calls run at once; more wait for their turn.
    """

    def __init__(
        self,
        config: Config = None,
        *,
        sender: Optional[AsyncSender] = None,
        logger: Optional[Logger] = None,
        clock: Optional[Clock] = None,
        threads: int = 32,
    ) -> None:
        self._threads = threads
        self._executor = self._new_executor()
        self._process = os.getpid()
        #: Where a coroutine runs for a step that no task asked for.
        self._loops: List[asyncio.AbstractEventLoop] = _running_loops()
        self._service = Service(config, sender=_blocking(sender, self._loops), logger=logger, clock=clock)

    @classmethod
    async def open(
        cls,
        config: Config = None,
        *,
        sender: Optional[AsyncSender] = None,
        logger: Optional[Logger] = None,
        clock: Optional[Clock] = None,
        threads: int = 32,
    ) -> AsyncService:
        """Opens a service without holding up the event loop."""
        make = functools.partial(cls, config, sender=sender, logger=logger, clock=clock, threads=threads)
        service = await asyncio.get_running_loop().run_in_executor(None, make)
        service._loops[:] = _running_loops()
        return service

    async def __aenter__(self) -> AsyncService:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    def __reduce__(self) -> Tuple[Any, ...]:
        raise TypeError("a service cannot be pickled or copied: open one in each process")

    @property
    def warnings(self) -> Tuple[str, ...]:
        """What the configuration should rather not be, in sentences."""
        return self._service.warnings

    @property
    def closed(self) -> bool:
        """Whether :meth:`close` was called."""
        return self._service.closed

    async def close(self) -> None:
        """Closes the service: waits for calls that are running. It is finished even when its task is cancelled."""
        await asyncio.shield(asyncio.get_running_loop().run_in_executor(None, self._close))

    async def create(
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
        """As :meth:`libotp.Service.create`."""
        create = functools.partial(
            self._service.create,
            token,
            request,
            messenger_id=messenger_id,
            phone_number=phone_number,
            email=email,
            channels=channels,
            subject=subject,
            context=context,
            locale=locale,
            params=params,
            idempotency_key=idempotency_key,
            client=client,
            code=code,
            **addresses,
        )
        return await self._run(create)

    async def resend(self, token: str, channel: Optional[str] = None) -> replies.Created:
        """As :meth:`libotp.Service.resend`."""
        return await self._run(self._service.resend, token, channel)

    async def verify(self, token: str, code: str, context: Optional[str] = None) -> bool:
        """As :meth:`libotp.Service.verify`."""
        return await self._run(self._service.verify, token, code, context)

    async def check(self, token: str, code: str, context: Optional[str] = None) -> replies.Check:
        """As :meth:`libotp.Service.check`."""
        return await self._run(self._service.check, token, code, context)

    async def cancel(self, token: str) -> None:
        """As :meth:`libotp.Service.cancel`."""
        await self._run(self._service.cancel, token)

    async def status(self, token: str) -> replies.Status:
        """As :meth:`libotp.Service.status`."""
        return await self._run(self._service.status, token)

    async def webhook(self, authorization: Optional[str], body: Union[bytes, bytearray]) -> replies.Webhook:
        """As :meth:`libotp.Service.webhook`."""
        return await self._run(self._service.webhook, authorization, body)

    async def report(
        self,
        report: Optional[Mapping[str, Any]] = None,
        *,
        client_ref: Optional[str] = None,
        sender: Optional[str] = None,
        message_id: Optional[str] = None,
        status: Optional[str] = None,
        error: Optional[str] = None,
    ) -> replies.Report:
        """As :meth:`libotp.Service.report`."""
        report_it = functools.partial(
            self._service.report,
            report,
            client_ref=client_ref,
            sender=sender,
            message_id=message_id,
            status=status,
            error=error,
        )
        return await self._run(report_it)

    async def run_due(self) -> replies.Due:
        """As :meth:`libotp.Service.run_due`."""
        return await self._run(self._service.run_due)

    async def metrics(self) -> replies.Metrics:
        """As :meth:`libotp.Service.metrics`."""
        return await self._run(self._service.metrics)

    async def subject(self, subject: str) -> replies.Subject:
        """As :meth:`libotp.Service.subject`."""
        return await self._run(self._service.subject, subject)

    async def unlock(self, subject: str) -> bool:
        """As :meth:`libotp.Service.unlock`."""
        return await self._run(self._service.unlock, subject)

    async def erase(self, recipient: str) -> bool:
        """As :meth:`libotp.Service.erase`."""
        return await self._run(self._service.erase, recipient)

    async def copy(self, repository: str, options: Optional[Mapping[str, Any]] = None) -> replies.Copied:
        """As :meth:`libotp.Service.copy`."""
        return await self._run(self._service.copy, repository, options)

    async def _run(self, method: Callable[..., _T], *args: Any) -> _T:
        loop = asyncio.get_running_loop()
        self._loops[:] = [loop]
        context = contextvars.copy_context()
        context.run(_loop.set, loop)
        try:
            call = self._own_executor().submit(context.run, method, *args)
        except RuntimeError:
            if not self.closed:
                # There are no more threads to be had, or the interpreter ends.
                raise
            raise argument_error("the service is closed") from None
        return await asyncio.wrap_future(call, loop=loop)

    def _new_executor(self) -> concurrent.futures.ThreadPoolExecutor:
        return concurrent.futures.ThreadPoolExecutor(self._threads, thread_name_prefix="libotp")

    def _own_executor(self) -> concurrent.futures.ThreadPoolExecutor:
        if self._process != os.getpid():
            # Threads stay behind in the parent.
            self._executor, self._process = self._new_executor(), os.getpid()
        return self._executor

    def _close(self) -> None:
        self._service.close()
        self._own_executor().shutdown()


def _running_loops() -> List[asyncio.AbstractEventLoop]:
    try:
        return [asyncio.get_running_loop()]
    except RuntimeError:
        return []


def _blocking(sender: Optional[AsyncSender], loops: List[asyncio.AbstractEventLoop]) -> Optional[Sender]:
    """The sender for the thread that calls, which waits while a coroutine runs on the loop that asked.

    A step of ``background`` was asked for by none: it runs on the one in ``loops``.
    """
    if sender is None or not is_async(sender):
        return cast(Optional[Sender], sender)
    coroutine = cast(Callable[[replies.Message], Coroutine[Any, Any, Optional[bool]]], sender)

    def send(message: replies.Message) -> Optional[bool]:
        loop = _loop.get(loops[0] if loops else None)
        if loop is None or not loop.is_running():
            raise NotSent("no event loop runs that could send the message")
        sending = asyncio.run_coroutine_threadsafe(coroutine(message), loop)
        while not concurrent.futures.wait([sending], _LOOK_SECONDS).done:
            if loop.is_closed():
                raise RuntimeError("the event loop ended while the message was being sent")
        return sending.result()

    return send
