"""Senders by name, steps that are due, and receipts."""

from __future__ import annotations

import asyncio
import sys
import threading
import unittest
from typing import Any, Dict, List
from unittest import mock

import libotp
from helpers import HANGS_SECONDS, NO_LIMITS, NUMBER, Case, Gateway

BEGINNING = 1_700_000_000.0
STEPS: Dict[str, Any] = {
    "senders": {"one": {"type": "host"}, "two": {"type": "host"}},
    "workflow": [
        {"channel": "messenger", "sender": "one", "conditionStatus": "verified", "expiryTime": 60},
        {"channel": "sms", "sender": "two"},
    ],
}


class Steps(Case):
    def setUp(self) -> None:
        super().setUp()
        self.now = BEGINNING
        self.gateway = Gateway()

    def begun(self, **members: Any) -> libotp.Service:
        otp = self.open(self.gateway, clock=lambda: self.now, **STEPS, **members)
        otp.create("session", phone_number=NUMBER, messenger_id="1")
        return otp

    def test_a_step_that_nobody_verified_in_time(self) -> None:
        otp = self.begun()
        self.assertEqual(otp.run_due().ran, 0)
        self.now += 60
        self.assertEqual(otp.run_due().ran, 1)
        first, second = self.gateway.messages
        self.assertEqual((first.sender, second.sender, second.channel), ("one", "two", "sms"))
        self.assertEqual(first.code, second.code)
        self.assertNotEqual(first.client_ref, second.client_ref)
        delivery = otp.status("session").delivery
        self.assertEqual((delivery.sender, [step.sender for step in delivery.steps]), ("two", ["one", "two"]))
        self.assertTrue(otp.verify("session", second.code))

    def test_a_mail_has_an_address_and_a_subject(self) -> None:
        steps = [{"channel": "email", "subject": "{code} is yours"}]
        otp = self.open(self.gateway, workflow=steps)
        otp.create("session", email="Mario@b.example")
        (message,) = self.gateway.messages
        self.assertEqual((message.to, message.subject), ("Mario@b.example", f"{message.code} is yours"))
        self.assertNotIn(message.code, repr(message))
        with self.assertRaisesRegex(libotp.ArgumentError, "email: must be one e-mail address"):
            otp.create("session", email="a@b.example, c@d.example")

    def test_a_receipt_of_failure_begins_the_next_step(self) -> None:
        otp = self.begun()
        reference = self.gateway.messages[0].client_ref
        report = otp.report(client_ref=reference, status="failed", error="no such user")
        self.assertEqual((report, len(self.gateway.messages)), (libotp.Report(True, "failed"), 2))
        self.assertEqual(otp.report({"clientRef": reference, "status": "read"}), libotp.Report(True, "read"))
        self.assertEqual(otp.report(sender="one", message_id="m", status="read"), libotp.Report(False))
        self.assertEqual(otp.status("session").delivery.steps[0].status, "read")

    def test_a_receipt_that_makes_no_sense(self) -> None:
        otp = self.begun()
        wrongs: list[dict[str, Any]] = [{}, {"status": "read"}, {"client_ref": "r", "status": "accepted"}]
        for wrong in [*wrongs, {"message_id": "m", "status": "read"}]:
            with self.assertRaises(libotp.ArgumentError):
                otp.report(**wrong)
        with self.assertRaisesRegex(TypeError, "report must be a mapping"):
            otp.report("{}")  # type: ignore[arg-type]
        with self.assertRaisesRegex(TypeError, "status is in the report"):
            otp.report({"status": "read"}, status="read")

    def test_what_a_sender_raises_in_a_step_that_is_due_is_told(self) -> None:
        for exception, told in ((OSError("no route"), True), (libotp.NotSent("no credit"), False)):
            self.gateway = Gateway()
            otp = self.begun(namespace=type(exception).__name__)
            self.now += 60
            self.gateway.error = exception
            with mock.patch.object(sys, "unraisablehook") as hook:
                self.assertEqual(otp.run_due().ran, 1)
            self.assertEqual([call.args[0].exc_value for call in hook.call_args_list], [exception] if told else [])
            status = "in_doubt" if told else "failed"
            self.assertEqual([step.status for step in otp.status("session").delivery.steps], ["accepted", status])

    def test_a_function_goes_with_senders_of_its_kind_alone(self) -> None:
        with self.assertRaises(libotp.UnsupportedError):
            self.open(self.gateway, senders={"one": {"type": "console"}})

    def test_background_sends_by_a_coroutine(self) -> None:
        sent: List[libotp.Message] = []

        async def work() -> None:
            second = asyncio.Event()

            async def send(message: libotp.Message) -> None:
                await asyncio.sleep(0)
                sent.append(message)
                if message.sender == "two":
                    second.set()

            config = {"repository": f"sqlite:{self.folder}/otp.db", "policy": NO_LIMITS, "background": True, **STEPS}
            async with await libotp.AsyncService.open(config, sender=send, clock=lambda: self.now) as otp:
                await otp.create("session", phone_number=NUMBER, messenger_id="1")
                self.now += 60
                await asyncio.wait_for(second.wait(), HANGS_SECONDS)
                self.assertTrue(await otp.verify("session", sent[1].code))
                report = await otp.report(client_ref=sent[1].client_ref, status="delivered")
                self.assertEqual(report.known, True)

        asyncio.run(work())
        self.assertEqual([message.sender for message in sent], ["one", "two"])

    def test_background_without_an_event_loop_certainly_does_not_send(self) -> None:
        called = threading.Event()

        async def send(message: libotp.Message) -> None:
            called.set()

        async def work() -> libotp.AsyncService:
            otp = await libotp.AsyncService.open({**self.config(), **STEPS}, sender=send, clock=lambda: self.now)
            await otp.create("session", phone_number=NUMBER, messenger_id="1")
            return otp

        otp = asyncio.run(work())
        called.clear()
        self.now += 60
        # As the library's own thread does: no task asks for it.
        self.assertEqual(otp._service.run_due().ran, 1)
        self.assertFalse(called.is_set())
        steps = asyncio.run(otp.status("session")).delivery.steps
        self.assertEqual(steps[1].status, "failed")
        asyncio.run(otp.close())


if __name__ == "__main__":
    unittest.main()
