"""What a service answers."""

from __future__ import annotations

import base64
import copy
import datetime
import functools
import json
import pickle
import tempfile
import threading
import unittest
from typing import Any, Callable, List

import libotp
from helpers import NUMBER, Case, wrong
from libotp import Result


class Codes(Case):
    def test_code_is_good_once(self) -> None:
        otp = self.open()
        created = otp.create("session", phone_number=NUMBER)
        assert created.code is not None and created.text is not None
        self.assertRegex(created.code, "^[0-9]{6}$")
        self.assertTrue(created.text.endswith(created.code))
        self.assertEqual((created.expires_in_seconds, created.attempts_left), (300, 5))
        self.assertEqual((created.delivery.via, created.delivery.state), ("none", "accepted"))
        self.assertIs(otp.verify("session", wrong(created.code)), False)
        self.assertIs(otp.verify("session", created.code), True)
        self.assertIs(otp.verify("session", created.code), False)
        self.assertIs(otp.check("session", created.code).result, Result.CHECKED)

    def test_check_tells_why_not(self) -> None:
        otp = self.open(maxAttempts=2)
        code = otp.create("session", phone_number=NUMBER).code
        assert code is not None
        first, second, third = (otp.check("session", guess) for guess in (wrong(code), wrong(code), code))
        self.assertEqual((first.result, first.attempts_left, first.locked), (Result.NOT_VALID, 1, None))
        self.assertEqual((second.result, second.attempts_left), (Result.NOT_VALID, 0))
        self.assertEqual((third.result, third.locked, third.retry_after_seconds), (Result.LOCKED, "code", None))
        self.assertEqual((third.message, third.result.http_status), ("Too many wrong codes", 429))
        self.assertIsNone(otp.check("unknown", "123456").attempts_left)
        self.assertFalse(first or second or third)

    def test_only_ok_is_true(self) -> None:
        self.assertEqual([result for result in Result if result], [Result.OK])
        self.assertTrue(libotp.Check(Result.OK))
        self.assertIs(Result(99), Result.UNKNOWN_REFUSAL)
        self.assertIs(Result(-99), Result.UNKNOWN_FAILURE)
        self.assertFalse(libotp.Check(Result(99)))
        with self.assertRaises(ValueError):
            Result("OK")

    def test_request_in_a_mapping_or_keywords(self) -> None:
        otp = self.open(ownCodes=True, message={"en": "{code} {who}", "it": "codice {code} {who}"})
        created = otp.create("a", {"phoneNumber": NUMBER}, locale="it", params={"who": "Zoë"}, code="1234", client=None)
        self.assertEqual((created.text, created.to, created.channel), ("codice 1234 Zoë", NUMBER, "sms"))
        again = [otp.create("b", phone_number=NUMBER, idempotency_key="k", params={"who": "x"}) for _ in range(2)]
        self.assertEqual(again[0].code, again[1].code)
        self.assertEqual(otp.create("c", messenger_id="8192836451", params={"who": "x"}).channel, "messenger")
        with self.assertRaises(TypeError):
            otp.create("d", {"phoneNumber": NUMBER}, phone_number=NUMBER)
        with self.assertRaisesRegex(libotp.ArgumentError, "phone_numbr"):
            otp.create("d", phone_numbr=NUMBER)

    def test_context_is_part_of_the_code(self) -> None:
        otp = self.open()
        code = otp.create("pay", phone_number=NUMBER, context="10 EUR to Bob").code or ""
        self.assertFalse(otp.verify("pay", code, "99 EUR to Bob"))
        self.assertFalse(otp.verify("pay", code, context=""))
        self.assertFalse(otp.verify("pay", code))
        self.assertTrue(otp.verify("pay", code, context="10 EUR to Bob"))

    def test_resend_cancel_status(self) -> None:
        otp = self.open()
        for method in (otp.resend, otp.cancel, otp.status):
            with self.assertRaises(libotp.Refused) as raised:
                method("session")
            self.assertIs(raised.exception.result, Result.UNKNOWN)
        code = otp.create("session", phone_number=NUMBER).code
        self.assertEqual(otp.resend("session").code, code)
        status = otp.status("session")
        self.assertEqual((status.token, status.state, status.is_checked), ("session", "pending", False))
        self.assertEqual(status.expiry_date - status.creation_date, datetime.timedelta(minutes=5))
        self.assertEqual(status.creation_date.tzinfo, datetime.timezone.utc)
        self.assertIsNone(status.check_date)
        steps = [(step.channel, step.status) for step in status.delivery.steps]
        self.assertEqual(steps, [("messenger", "skipped"), ("sms", "accepted")])
        otp.cancel("session")
        otp.cancel("session")
        self.assertEqual(otp.status("session").state, "cancelled")
        self.assertIs(otp.check("session", code or "").result, Result.CANCELLED)
        self.assertIs(otp.unlock("session"), False)
        self.assertIs(otp.erase(NUMBER), True)
        self.assertIs(otp.erase(NUMBER), False)
        with self.assertRaises(libotp.Refused):
            otp.status("session")
        self.assertEqual(otp.run_due().ran, 0)

    def test_what_nobody_typed_is_no_mistake(self) -> None:
        otp = self.open()
        code = otp.create("session", phone_number=NUMBER).code or ""
        for nothing in ("", " ", "\n", "-", "\u200b", " \u2013 "):
            self.assertIs(otp.check("session", nothing).result, Result.NOT_VALID, repr(nothing))
            self.assertIs(otp.verify("session", nothing), False)
        self.assertEqual(otp.status("session").attempts_left, 5)
        self.assertTrue(otp.verify("session", f" {code[:3]} {code[3:]}\n"))

    def test_a_repository_is_copied_and_moved(self) -> None:
        with tempfile.TemporaryDirectory() as folder:
            key = base64.b64encode(bytes(32)).decode()
            otp = self.open(repository=f"sqlite:{folder}/one.db", key=key)
            code = otp.create("session", phone_number=NUMBER).code or ""
            self.assertEqual(otp.copy(f"json:{folder}/two"), libotp.Copied(rows=2, skipped=0))
            with self.assertRaises(libotp.ArgumentError):
                otp.copy(f"json:{folder}/two")
            otp.copy(f"sqlite:{folder}/three.db", {"move": True})
            with self.assertRaisesRegex(libotp.StoreError, "moved"):
                otp.verify("session", code)
            backup = self.open(repository=f"json:{folder}/two", key=key)
            self.assertIs(backup.check("session", code).result, Result.EXPIRED)
            self.assertTrue(self.open(repository=f"sqlite:{folder}/three.db", key=key).verify("session", code))

    def test_operators_are_told_what_was_found(self) -> None:
        otp = self.open()
        code = otp.create("session", messenger_id="8192836451", phone_number=NUMBER).code or ""
        otp.verify("session", code + "0")
        subject = otp.subject("+39\u00a0333 1234567")
        self.assertEqual((subject.failures, subject.locked, subject.retry_after_seconds), (1, None, None))
        self.assertIs(otp.unlock("+39\u00a0333 1234567"), True)
        self.assertEqual(otp.subject(NUMBER).failures, 0)
        for text in ("+39 12", "tel:1", "\u2068+39\u2069"):
            with self.assertRaises(libotp.ArgumentError):
                otp.erase(text)

    def test_send_it_by_sms_instead(self) -> None:
        otp = self.open(policy={"cooldownSeconds": 0})
        created = otp.create("session", messenger_id="8192836451", phone_number=NUMBER)
        self.assertEqual(created.channel, "messenger")
        self.assertEqual(otp.resend("session", "sms").channel, "sms")
        with self.assertRaises(libotp.ArgumentError):
            otp.resend("session", "pigeon")
        only = otp.create("other", messenger_id="8192836451", phone_number=NUMBER, channels=["sms"])
        self.assertEqual(only.channel, "sms")

    def test_refusals_say_how_long(self) -> None:
        otp = self.open(policy={"cooldownSeconds": 30, "countries": ["39"]})
        otp.create("a", phone_number=NUMBER)
        with self.assertRaises(libotp.Refused) as raised:
            otp.create("b", phone_number=NUMBER)
        self.assertIs(raised.exception.result, Result.RATE_LIMITED)
        self.assertIn(raised.exception.retry_after_seconds, range(1, 31))
        self.assertEqual(str(raised.exception), "Too many codes requested")
        with self.assertRaises(libotp.Refused) as raised:
            otp.create("b", phone_number="447700900000")
        self.assertIs(raised.exception.result, Result.REFUSED)
        self.assertIsNone(raised.exception.retry_after_seconds)

    def test_two_threads_and_one_yes(self) -> None:
        otp = self.open()
        for number in range(20):
            code = otp.create(f"token {number}", phone_number=NUMBER).code or ""
            answers: List[bool] = []
            verify = lambda: answers.append(otp.verify(f"token {number}", code))
            threads = [threading.Thread(target=verify) for _ in range(8)]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
            self.assertEqual(sorted(answers), [False] * 7 + [True])

    def test_webhook_without_a_signature(self) -> None:
        with self.assertRaises(libotp.UnsupportedError):
            self.open().webhook(None, b"{}")
        otp = self.open(webhook={"signatureSecret": "a secret of thirty-two characters"})
        with self.assertRaises(libotp.UnsignedError) as unsigned:
            otp.webhook(None, b"{}")
        self.assertEqual(unsigned.exception.result.http_status, 503)
        with self.assertRaises(libotp.SignatureError) as signature:
            otp.webhook("Bearer a.b.c", b"{}")
        self.assertEqual(signature.exception.result.http_status, 401)

        class Shrunk(bytearray):
            """What another thread has made shorter since its length was asked for."""

            def __len__(self) -> int:
                return 2**40

        with self.assertRaises(libotp.UnsignedError):
            otp.webhook(None, Shrunk(b"{}"))


class Arguments(Case):
    def test_nul_and_bad_unicode_are_refused(self) -> None:
        otp = self.open()
        code = otp.create("alice", phone_number=NUMBER).code or ""
        for text in ("alice\0x", "alice\ud800"):
            calls: List[Callable[[], object]] = [
                lambda: otp.create(text, phone_number=NUMBER),
                lambda: otp.create("bob", phone_number=NUMBER, subject=text),
                lambda: otp.verify(text, code),
                lambda: otp.verify("alice", code + text),
                lambda: otp.verify("alice", code, text),
                lambda: otp.webhook(text, b""),
                lambda: libotp.Service("{}" + text),
                *(functools.partial(method, text) for method in self.methods(otp)),
            ]
            for call in calls:
                with self.assertRaises(libotp.ArgumentError) as raised:
                    call()
                self.assertNotIn("alice", str(raised.exception))
                self.assertIsNone(raised.exception.__cause__)
                self.assertIsNone(raised.exception.__context__)
        self.assertTrue(otp.verify("alice", code))

    @staticmethod
    def methods(otp: libotp.Service) -> List[Any]:
        return [otp.resend, otp.cancel, otp.status, otp.unlock, otp.erase]

    def test_wrong_types_are_refused(self) -> None:
        otp: Any = self.open()
        for value in (None, 123456, b"bytes", ["list"], 1.5):
            calls: List[Callable[[], object]] = [
                lambda: otp.create(value, phone_number=NUMBER),
                lambda: otp.verify(value, "123456"),
                lambda: otp.verify("session", value),
                lambda: otp.webhook(None, "text"),
                lambda: otp.webhook(1, b""),
                lambda: libotp.Service(value or 1),  # type: ignore[arg-type]
                *(functools.partial(method, value) for method in self.methods(otp)),
            ]
            for call in calls:
                with self.assertRaises(TypeError):
                    call()
        for call in (
            lambda: otp.verify("session", "123456", 1),
            lambda: otp.create("session", "text"),
            lambda: otp.create("session", {1: object()}),
            lambda: otp.create("session", {("phoneNumber",): NUMBER}),
            lambda: otp.create("session", phone_number=object()),
            lambda: libotp.Service({"otpLength": {1, 2}}),
            lambda: libotp.Service(sender="text"),  # type: ignore[arg-type]
            lambda: libotp.Service(clock=1),  # type: ignore[arg-type]
        ):
            with self.assertRaises(TypeError):
                call()
        with self.assertRaisesRegex(libotp.ArgumentError, "phoneNumber"):
            otp.create("session", phone_number=393331234567)
        with self.assertRaises(libotp.ArgumentError):
            libotp.Service({"validityTime": float("nan")})

    def test_configuration_is_a_mapping_or_text(self) -> None:
        for config in ({"otpLength": 8, **self.config()}, json.dumps({"otpLength": 8, **self.config()})):
            gateway: List[str] = []
            with libotp.Service(config, sender=lambda message: gateway.append(message.code)) as otp:
                self.assertIn("policy.countries", " ".join(otp.warnings))
                otp.create("session", phone_number=NUMBER)
            self.assertEqual(len(gateway[0]), 8)
        for text in ('{"otpLength": 3}', '{"otpLength": 6, "otpLength": 6}', "[]", "{", '{"planted": 1}'):
            for sender in (None, lambda message: None):
                with self.assertRaises(libotp.ConfigError):
                    libotp.Service(text, sender=sender)
        with self.assertRaises(libotp.UnsupportedError):
            libotp.Service(self.config(sender={"type": "none"}), sender=lambda message: None)
        with self.assertRaises(libotp.UnsupportedError):
            libotp.Service(self.config(sender={"type": "host"})).create("session", phone_number=NUMBER)
        with self.assertRaises(libotp.StoreError):
            libotp.Service({"repository": f"sqlite:{self.folder}/none/otp.db"})


class Values(Case):
    def test_secrets_are_in_no_repr(self) -> None:
        gateway: List[libotp.Message] = []
        otp = self.open(sender=gateway.append)
        otp.create("the token", phone_number=NUMBER)
        none = self.open().create("the token", phone_number=NUMBER)
        shown = "".join(map(repr, (gateway, none, otp.status("the token"), otp)))
        code = gateway[0].code
        for secret in (code, none.code or "", "the token", NUMBER, "Insert"):
            self.assertNotIn(secret, shown)
        with self.assertRaises(AttributeError):
            none.code = "1"  # type: ignore[misc]

    def test_exceptions_can_be_pickled_and_services_cannot(self) -> None:
        otp = self.open(policy={"cooldownSeconds": 30})
        otp.create("a", phone_number=NUMBER)
        with self.assertRaises(libotp.Refused) as raised:
            otp.create("a", phone_number=NUMBER)
        again = pickle.loads(pickle.dumps(raised.exception))
        self.assertIsInstance(again, libotp.Refused)
        self.assertEqual(
            (str(again), again.result, again.retry_after_seconds),
            (str(raised.exception), Result.RATE_LIMITED, raised.exception.retry_after_seconds),
        )
        for call in (pickle.dumps, copy.copy, copy.deepcopy):
            with self.assertRaises(TypeError):
                call(otp)

    def test_closed_service_says_so(self) -> None:
        otp = self.open()
        self.assertFalse(otp.closed)
        with otp as same:
            self.assertIs(same, otp)
        otp.close()
        self.assertTrue(otp.closed)
        with self.assertRaisesRegex(libotp.ArgumentError, "closed"):
            otp.verify("session", "123456")

    def test_close_waits_for_running_calls(self) -> None:
        inside, go_on, order = threading.Event(), threading.Event(), []

        def send(message: libotp.Message) -> None:
            inside.set()
            go_on.wait(60)
            order.append("sent")

        otp = self.open(sender=send)
        creator = threading.Thread(target=otp.create, args=("session", {"phoneNumber": NUMBER}))
        creator.start()
        self.assertTrue(inside.wait(60))

        def close() -> None:
            otp.close()
            order.append("closed")

        closer = threading.Thread(target=close)
        closer.start()
        closer.join(0.2)
        self.assertTrue(closer.is_alive())
        go_on.set()
        for thread in (closer, creator):
            thread.join(60)
        self.assertEqual(order, ["sent", "closed"])


if __name__ == "__main__":
    unittest.main()
