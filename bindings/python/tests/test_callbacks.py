"""Senders, loggers and clocks, and what they raise."""

from __future__ import annotations

import functools
import gc
import logging
import sys
import time
import traceback
import unittest
import weakref
from typing import Any, List, Mapping, Tuple
from unittest import mock

import libotp
from helpers import NUMBER, Case, Gateway
from libotp import Result, _callbacks

TWO_STEPS = [{"channel": "sms", "from": "A"}, {"channel": "sms", "from": "B"}]


class Senders(Case):
    def test_message(self) -> None:
        gateway = Gateway()
        otp = self.open(gateway, workflow=TWO_STEPS)
        created = otp.create("session", phone_number="+39 333 123 4567", locale="en")
        message = gateway.messages[0]
        self.assertEqual((message.token, message.channel, message.to, message.from_), ("session", "sms", NUMBER, "A"))
        self.assertEqual((message.text, message.expires_in_seconds), (f"Insert the following code: {message.code}", 300))
        self.assertEqual((created.code, created.text, created.delivery.via), (None, None, "host"))
        self.assertTrue(otp.verify("session", message.code))

    def test_true_and_none_are_sent_and_nothing_else(self) -> None:
        for answer, sent in ((None, True), (True, True), (False, False), (1, False), ("sent", False), (0, False)):
            otp = self.open(lambda message: answer)
            if sent:
                otp.create("session", phone_number=NUMBER)
                continue
            with self.assertRaises(libotp.SendError) as raised:
                otp.create("session", phone_number=NUMBER)
            self.assertTrue(raised.exception.in_doubt)
            self.assertIsInstance(raised.exception.__cause__, TypeError)

    def test_not_sent_tries_the_next_step(self) -> None:
        gateway = Gateway()
        gateway.error = libotp.NotSent("unreachable")
        otp = self.open(gateway, workflow=TWO_STEPS)
        with self.assertRaises(libotp.SendError) as raised:
            otp.create("session", phone_number=NUMBER)
        self.assertEqual([message.from_ for message in gateway.messages], ["A", "B"])
        self.assertFalse(raised.exception.in_doubt)
        self.assertIs(raised.exception.__cause__, gateway.error)
        self.assertIs(otp.check("session", gateway.code("session")).result, Result.CANCELLED)

        def second(message: libotp.Message) -> None:
            if message.from_ == "A":
                raise libotp.NotSent

        self.assertEqual(self.open(second, workflow=TWO_STEPS).create("other", phone_number=NUMBER).delivery.state, "accepted")

    def test_anything_else_is_doubt_and_the_code_stays_good(self) -> None:
        gateway = Gateway()
        gateway.error = OSError("connection reset")
        otp = self.open(gateway, workflow=TWO_STEPS)
        with self.assertRaises(libotp.SendError) as raised:
            otp.create("session", phone_number=NUMBER)
        self.assertTrue(raised.exception.in_doubt)
        self.assertIs(raised.exception.__cause__, gateway.error)
        self.assertEqual(len(gateway.messages), 1)
        # The cause of the past call is none of this one's.
        self.assertIs(otp.check("session", gateway.code("session")).result, Result.OK)
        with self.assertRaises(libotp.Refused) as refused:
            otp.resend("session")
        self.assertIsNone(refused.exception.__cause__)

    def test_wish_to_end_is_raised_after_the_call(self) -> None:
        for kind in (KeyboardInterrupt, SystemExit, GeneratorExit):
            gateway = Gateway()
            gateway.error = kind()
            otp = self.open(gateway)
            with self.assertRaises(kind):
                otp.create("session", phone_number=NUMBER)
            gateway.error = None
            self.assertTrue(otp.verify("session", gateway.code("session")))

    def test_frames_of_a_failed_sender_hold_no_code(self) -> None:
        gateway = Gateway()
        gateway.error = OSError("connection reset")
        otp = self.open(gateway)
        with self.assertRaises(libotp.SendError) as raised:
            otp.create("session", phone_number=NUMBER)
        # As debuggers and collectors of errors show them.
        told = traceback.TracebackException.from_exception(raised.exception, capture_locals=True)
        shown = "".join(told.format())
        self.assertIn("_send", shown)
        self.assertNotIn(gateway.code("session"), shown)

    def test_sender_may_call_and_its_failures_are_its_own(self) -> None:
        failing = self.open(Gateway())

        def send(message: libotp.Message) -> None:
            inner = Gateway()
            inner.error = OSError("inner")
            with self.open(inner) as other, self.assertRaises(libotp.SendError) as raised:
                other.create("inner", phone_number="393331234568")
            self.assertIs(raised.exception.__cause__, inner.error)
            failing.create("other", phone_number="393331234569")

        self.open(send).create("session", phone_number=NUMBER)

    def test_wish_to_end_belongs_to_its_own_call(self) -> None:
        interrupted = Gateway()
        interrupted.error = KeyboardInterrupt()
        inner = self.open(interrupted)

        def send(message: libotp.Message) -> None:
            with self.assertRaises(KeyboardInterrupt):
                inner.create("inner", phone_number="393331234568")

        otp = self.open(send)
        otp.create("session", phone_number=NUMBER)
        self.assertEqual(otp.status("session").state, "pending")

        ends: List[BaseException] = [KeyboardInterrupt()]
        states: List[str] = []

        def clock() -> float:
            if ends:
                raise ends.pop()
            return time.time()

        with self.assertRaises(KeyboardInterrupt):
            self.open(lambda message: states.append(otp.status("session").state), clock=clock).create("a", phone_number=NUMBER)
        self.assertEqual(states, ["pending"])

    def test_close_inside(self) -> None:
        otp: libotp.Service

        def send(message: libotp.Message) -> None:
            otp.close()
            with self.assertRaises(libotp.ArgumentError):
                otp.status(message.token)

        otp = self.open(send)
        otp.create("session", phone_number=NUMBER)
        self.assertTrue(otp.closed)

    def test_coroutine_functions_are_refused(self) -> None:
        async def send(message: libotp.Message) -> None:
            pass

        class Sender:
            async def __call__(self, message: libotp.Message) -> None:
                pass

        functions: List[Any] = [send, functools.partial(send), Sender()]
        for function in functions:
            for name in ("sender", "logger", "clock"):
                with self.assertRaisesRegex(TypeError, f"{name} must not be a coroutine function"):
                    self.open(**{name: function})

    def test_callables_are_let_go(self) -> None:
        class Callable(Gateway):
            pass

        before = len(_callbacks._callables)
        sender = Callable()
        let_go = weakref.ref(sender)
        otp = self.open(sender, logger=lambda level, event: None, clock=time.time)
        del sender
        self.assertEqual(len(_callbacks._callables), before + 3)
        otp.close()
        self.assertEqual(len(_callbacks._callables), before)
        gc.collect()
        self.assertIsNone(let_go())
        with self.assertRaises(libotp.UnsupportedError):
            libotp.Service(self.config(sender={"type": "none"}), sender=Gateway(), logger=lambda level, event: None)
        self.assertEqual(len(_callbacks._callables), before)

    def test_service_that_is_forgotten_is_closed(self) -> None:
        before = len(_callbacks._callables)
        libotp.Service(self.config(), sender=Gateway())
        gc.collect()
        self.assertEqual(len(_callbacks._callables), before)


class Loggers(Case):
    def test_standard_logger(self) -> None:
        logger = logging.getLogger("libotp.test")
        with self.assertLogs(logger, logging.DEBUG) as logs:
            otp = self.open(logger=logger)
            code = otp.create("the token", phone_number=NUMBER).code or ""
            otp.verify("the token", code)
            otp.status("the token")
        self.assertEqual([record.levelname for record in logs.records], ["INFO", "INFO", "DEBUG"])
        self.assertEqual(logs.records[1].getMessage().split()[:2], ["verify", "OTP_OK"])
        self.assertEqual(getattr(logs.records[1], "otp")["event"], "verify")
        for secret in (code, "the token", NUMBER):
            self.assertFalse(any(secret in str(record.__dict__) for record in logs.records))

    def test_adapter(self) -> None:
        logger = logging.getLogger("libotp.test")
        with self.assertLogs(logger, logging.DEBUG) as logs:
            otp = self.open(logger=logging.LoggerAdapter(logger, {"application": "shop"}))
            otp.verify("session", "123456")
        self.assertEqual(getattr(logs.records[0], "application"), "shop")
        self.assertEqual(logs.records[0].getMessage().split()[:2], ["verify", "OTP_NOT_VALID"])

    def test_function(self) -> None:
        events: List[Tuple[int, Mapping[str, Any]]] = []
        otp = self.open(logger=lambda level, event: events.append((level, event)))
        otp.verify("session", "123456")
        (level, event), = events
        self.assertEqual((level, event["event"], event["result"]), (logging.INFO, "verify", "OTP_NOT_VALID"))

    def test_what_it_raises_goes_to_the_hook(self) -> None:
        def log(level: int, event: Mapping[str, Any]) -> None:
            raise OSError("full")

        otp = self.open(logger=log)
        with mock.patch.object(sys, "unraisablehook") as hook:
            self.assertFalse(otp.verify("session", "123456"))
        ((told,), _), = hook.call_args_list
        self.assertIsInstance(told.exc_value, OSError)
        self.assertIn("libotp logger", f"{told.err_msg} {told.object!r}")


class Clocks(Case):
    def test_clock_ends_codes(self) -> None:
        now = [1_700_000_000.0]
        otp = self.open(clock=lambda: now[0])
        code = otp.create("session", phone_number=NUMBER).code or ""
        self.assertEqual(otp.status("session").creation_date.timestamp(), now[0])
        now[0] += 300
        self.assertIs(otp.check("session", code).result, Result.EXPIRED)
        now[0] -= 300
        self.assertIs(otp.check("session", code).result, Result.EXPIRED)

    def test_what_it_raises_goes_to_the_hook_and_the_wall_clock_is_read(self) -> None:
        broken: List[Any] = [lambda: 1 / 0, lambda: None, lambda: "now", lambda: float("nan"), lambda: 1e300]
        for clock in broken:
            otp = self.open(clock=clock)
            with mock.patch.object(sys, "unraisablehook") as hook:
                code = otp.create("session", phone_number=NUMBER).code or ""
                left = abs(otp.status("session").creation_date.timestamp() - time.time())
                self.assertTrue(otp.verify("session", code))
            self.assertLess(left, 60)
            self.assertGreaterEqual(hook.call_count, 3)

    def test_wish_to_end_is_raised_after_the_call(self) -> None:
        ends: List[BaseException] = []

        def clock() -> float:
            if ends:
                raise ends.pop()
            return time.time()

        otp = self.open(clock=clock)
        code = otp.create("session", phone_number=NUMBER).code or ""
        ends.append(KeyboardInterrupt())
        with self.assertRaises(KeyboardInterrupt):
            otp.verify("session", "000000x")
        self.assertTrue(otp.verify("session", code))


if __name__ == "__main__":
    unittest.main()
