"""The service for asyncio."""

from __future__ import annotations

import asyncio
import faulthandler
import os
import threading
import unittest
from typing import Any, Dict, List, Optional
from unittest import mock

import libotp
from helpers import HANGS_SECONDS, NUMBER, Case
from libotp import Result, _async, _service


#: How long the event loop may stand still on a busy machine; what holds it up for longer waits for it.
STILL_SECONDS = 15


class Async(Case):
    def opened(self, sender: Any = None, **options: Any) -> libotp.AsyncService:
        members: Dict[str, Any] = {} if sender else {"sender": {"type": "none"}}
        return libotp.AsyncService(self.config(**members), sender=sender, **options)

    def run_async(self, work: Any) -> None:
        """Runs a coroutine. An event loop that stands still meets no limit of its own: it ends the process."""

        async def beat() -> None:
            while True:
                faulthandler.dump_traceback_later(STILL_SECONDS, exit=True)
                await asyncio.sleep(0.2)

        async def watched() -> None:
            beating = asyncio.create_task(beat())
            try:
                await asyncio.wait_for(work, HANGS_SECONDS)
            finally:
                beating.cancel()
                faulthandler.cancel_dump_traceback_later()

        asyncio.run(watched())

    def test_every_method(self) -> None:
        async def work() -> None:
            async with await libotp.AsyncService.open(self.config(sender={"type": "none"})) as otp:
                self.assertIn("countries", " ".join(otp.warnings))
                code = (await otp.create("a", {"phoneNumber": NUMBER}, locale="en")).code or ""
                self.assertEqual((await otp.resend("a")).code, code)
                self.assertEqual((await otp.status("a")).state, "pending")
                self.assertIs(await otp.verify("a", code), True)
                self.assertIs((await otp.check("a", code)).result, Result.CHECKED)
                await otp.create("b", phone_number=NUMBER)
                await otp.cancel("b")
                self.assertEqual((await otp.run_due()).ran, 0)
                await otp.unlock("a")
                await otp.erase(NUMBER)
                with self.assertRaises(libotp.Refused):
                    await otp.status("a")
                with self.assertRaises(libotp.UnsupportedError):
                    await otp.webhook(None, b"{}")
                with self.assertRaises(TypeError):
                    await otp.verify("a", 1)  # type: ignore[arg-type]
            self.assertTrue(otp.closed)
            await otp.close()
            with self.assertRaises(libotp.ArgumentError):
                await otp.status("a")

        self.run_async(work())

    def test_no_call_is_on_the_thread_of_the_event_loop(self) -> None:
        invoke, close = _service._invoke, libotp.Service.close
        threads: List[str] = []

        def listen(*args: Any) -> Any:
            threads.append(threading.current_thread().name)
            return invoke(*args)

        def closing(service: libotp.Service) -> None:
            threads.append(threading.current_thread().name)
            close(service)

        async def work() -> None:
            own = threading.current_thread().name
            otp = await libotp.AsyncService.open(self.config(sender={"type": "none"}))
            self.assertNotEqual(threads.pop(), own)
            calls: List[Any] = [
                otp.create("a", phone_number=NUMBER), otp.resend("a"), otp.verify("a", "x"), otp.verify("a", "x", "y"),
                otp.check("a", "x"), otp.status("a"), otp.cancel("a"), otp.run_due(), otp.unlock("a"), otp.erase(NUMBER),
            ]  # fmt: skip
            for call in calls:
                await call
                # Its own: the default executor is left to others.
                self.assertRegex(threads.pop(), "^libotp")
                self.assertEqual(threads, [])
            with self.assertRaises(libotp.UnsupportedError):
                await otp.webhook(None, b"{}")
            self.assertRegex(threads.pop(), "^libotp")
            await otp.close()
            self.assertNotEqual(threads.pop(), own)

        with mock.patch.object(_service, "_invoke", listen), mock.patch.object(libotp.Service, "close", closing):
            self.run_async(work())

    def test_slow_coroutine_is_waited_for(self) -> None:
        async def send(message: libotp.Message) -> None:
            await asyncio.sleep(0.05)
            if message.token == "b":
                raise asyncio.TimeoutError("its own")

        async def work() -> None:
            async with self.opened(send) as otp:
                self.assertEqual((await otp.create("a", phone_number=NUMBER)).delivery.state, "accepted")
                with self.assertRaises(libotp.SendError) as raised:
                    await otp.create("b", phone_number=NUMBER)
                self.assertEqual(str(raised.exception.__cause__), "its own")

        with mock.patch.object(_async, "_LOOK_SECONDS", 0.001):
            self.run_async(work())

    def test_want_of_threads_is_told_as_such(self) -> None:
        async def work() -> None:
            async with self.opened() as otp:
                with mock.patch.object(threading.Thread, "start", side_effect=RuntimeError("can't start new thread")):
                    with self.assertRaisesRegex(RuntimeError, "new thread"):
                        await otp.status("a")

        self.run_async(work())

    def test_coroutine_as_sender(self) -> None:
        loops: List[Any] = []
        codes: Dict[str, str] = {}
        errors: List[Exception] = [libotp.NotSent("no"), OSError("reset")]

        async def send(message: libotp.Message) -> Optional[bool]:
            await asyncio.sleep(0)
            loops.append(asyncio.get_running_loop())
            codes[message.token] = message.code
            if message.token.startswith("error"):
                raise errors[int(message.token[-1])]
            return None if message.token == "a" else True

        async def work() -> None:
            async with self.opened(send) as otp:
                await asyncio.gather(*(otp.create(token, phone_number=NUMBER) for token in "abcdefgh"))
                self.assertEqual(set(loops), {asyncio.get_running_loop()})
                self.assertTrue(await otp.verify("a", codes["a"]))
                for number, in_doubt in enumerate((False, True)):
                    with self.assertRaises(libotp.SendError) as raised:
                        await otp.create(f"error {number}", phone_number=NUMBER)
                    self.assertEqual(raised.exception.in_doubt, in_doubt)
                    self.assertIs(raised.exception.__cause__, errors[number])

        self.run_async(work())

    def off_the_loop(self) -> None:
        """Fails on the thread of the event loop, where waiting would hold up everything."""
        self.assertNotEqual(threading.current_thread(), threading.main_thread())

    def test_event_loop_stays_free_and_calls_run_side_by_side(self) -> None:
        both = threading.Barrier(2)

        def send(message: libotp.Message) -> None:
            self.off_the_loop()
            both.wait(HANGS_SECONDS)

        async def work() -> None:
            async with self.opened(send) as otp:
                await asyncio.gather(*(otp.create(token, phone_number=NUMBER) for token in "ab"))

        self.run_async(work())

    def test_cancelled_task_leaves_its_call_to_finish(self) -> None:
        inside, go_on, codes = threading.Event(), threading.Event(), []

        def send(message: libotp.Message) -> None:
            codes.append(message.code)
            inside.set()
            self.off_the_loop()
            go_on.wait(HANGS_SECONDS)

        async def cancelled(otp: libotp.AsyncService) -> None:
            running = asyncio.create_task(otp.create("running", phone_number=NUMBER))
            waiting = asyncio.create_task(otp.create("waiting", phone_number=NUMBER))
            await asyncio.get_running_loop().run_in_executor(None, inside.wait, HANGS_SECONDS)
            for task in (running, waiting):
                task.cancel()
            # At once, and not when the call is over.
            await asyncio.wait((running, waiting), timeout=5)
            self.assertTrue(running.cancelled() and waiting.cancelled())

        async def work() -> None:
            async with self.opened(send, threads=1) as otp:
                try:
                    await cancelled(otp)
                finally:
                    go_on.set()
                self.assertTrue(await otp.verify("running", codes[0]))
                self.assertEqual(len(codes), 1)
                with self.assertRaises(libotp.Refused):
                    await otp.status("waiting")

        self.run_async(work())

    def test_loop_that_ends_leaves_nothing_hanging(self) -> None:
        begun = threading.Event()

        async def send(message: libotp.Message) -> None:
            begun.set()
            await asyncio.sleep(HANGS_SECONDS)

        async def work() -> libotp.AsyncService:
            otp = self.opened(send)
            task = asyncio.create_task(otp.create("a", phone_number=NUMBER))
            while not begun.is_set() and not task.done():
                await asyncio.sleep(0.001)
            self.assertTrue(task.cancel(), "the call ended before its sender did")
            return otp

        otp = asyncio.run(work())
        asyncio.run(asyncio.wait_for(otp.close(), HANGS_SECONDS))

    @unittest.skipUnless(hasattr(os, "fork"), "no fork")
    def test_fork(self) -> None:
        otp = self.opened()

        async def work(token: str) -> bool:
            created = await otp.create(token, phone_number=NUMBER)
            return await otp.verify(token, created.code or "")

        self.assertTrue(asyncio.run(work("before")))
        process = os.fork()
        if process == 0:
            is_good = False
            try:
                is_good = asyncio.run(asyncio.wait_for(work("child"), HANGS_SECONDS))
                asyncio.run(otp.close())
            finally:
                os._exit(0 if is_good else 1)
        self.assertTrue(asyncio.run(work("parent")))
        self.assertEqual(os.waitpid(process, 0)[1], 0)
        asyncio.run(otp.close())


if __name__ == "__main__":
    unittest.main()
