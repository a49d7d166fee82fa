"""The vectors that all languages have in common, run through :class:`libotp.Service`."""

from __future__ import annotations

import datetime
import json
import pathlib
import re
import tempfile
import unittest
from typing import Any, Dict, List, Mapping, Optional, Tuple
from unittest import mock

import libotp
from helpers import ROOT
from libotp import _service

FOLDER = ROOT / "tests" / "vectors"
BEGINNING_MS = 1_700_000_000_000
KINDS = {"memory": "memory:", "sqlite": "sqlite:{}/otp.db", "json": "json:{}/otp"}
#: How an open service answers where C gives numbers.
SENT, NOT_SENT = 1, 2
NONE = object()


def field(value: Any, path: str) -> Any:
    """A field of a reply, or NONE."""
    for name in path.split("."):
        if isinstance(value, list):
            value = value[int(name)] if int(name) < len(value) else NONE
        else:
            value = value.get(name, NONE) if isinstance(value, dict) else NONE
    return value


def attribute(value: Any, path: str) -> Any:
    """The same field as the types of Python offer it, or NONE where it is absent."""
    for name in path.split("."):
        if isinstance(value, tuple):
            value = value[int(name)] if int(name) < len(value) else NONE
            continue
        if isinstance(value, dict):
            value = value.get(name, NONE)
            continue
        name = re.sub("[A-Z]", lambda capital: "_" + capital.group().lower(), name)
        value = getattr(value, {"from": "from_"}.get(name, name), NONE)
    if isinstance(value, datetime.datetime):
        return value.isoformat(timespec="milliseconds").replace("+00:00", "Z")
    return NONE if value is None else value


def as_text(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value)


class Runner:
    """Runs the steps of a scenario."""

    def __init__(self, case: unittest.TestCase, scenario: Mapping[str, Any], repository: str) -> None:
        self.case = case
        self.hosted = scenario.get("sender") == "host"
        self.names: Dict[str, str] = {"repository": repository}
        self.now_ms = BEGINNING_MS
        self.answers: List[int] = []
        self.messages: List[libotp.Message] = []
        self.service: Optional[libotp.Service] = None
        self.reply: Dict[str, Any] = {}

    def fill(self, value: Any) -> Any:
        if isinstance(value, str):
            return re.sub(r"\$\{(\w+)(\+1)?\}", self.named, value)
        if isinstance(value, dict):
            return {name: self.fill(member) for name, member in value.items()}
        return [self.fill(item) for item in value] if isinstance(value, list) else value

    def named(self, found: "re.Match[str]") -> str:
        text = self.names[found.group(1)]
        return "".join(str((int(digit) + 1) % 10) for digit in text) if found.group(2) else text

    def send(self, message: libotp.Message) -> None:
        self.messages.append(message)
        answer = self.answers.pop(0) if self.answers else SENT
        if answer == NOT_SENT:
            raise libotp.NotSent
        if answer != SENT:
            raise OSError("in doubt")

    def open(self, config: Any) -> libotp.Service:
        self.close()
        sender = self.send if self.hosted else None
        self.service = libotp.Service(config, sender=sender, clock=lambda: self.now_ms / 1000)
        return self.service

    def close(self) -> None:
        if self.service is not None:
            self.service.close()
        self.service = None

    def call(self, name: str, arguments: Dict[str, Any]) -> Any:
        if name == "open":
            return self.open(arguments.get("config"))
        assert self.service is not None
        if name == "verify":
            return self.service.check(arguments["token"], arguments["code"], arguments.get("context"))
        if name == "webhook":
            body = arguments.get("body", "").encode()
            return self.service.webhook(arguments.get("authorization"), body)
        return getattr(self.service, name)(**arguments)

    def answer(self, step: Mapping[str, Any]) -> Tuple[str, Any]:
        """The name of the result, and the answer or the exception."""
        try:
            answer = self.call(step["call"], self.fill(step.get("arguments", {})))
        except libotp.Error as error:
            return error.result.name, error
        return answer.result.name if isinstance(answer, libotp.Check) else "OK", answer

    def run(self, step: Mapping[str, Any]) -> None:
        self.now_ms = step.get("clock", self.now_ms)
        self.answers, self.messages = list(step.get("answers", [])), []
        self.reply = {}
        result, answer = self.answer(step)
        if step["call"] == "verify" and not step["arguments"]["code"].strip(" -"):
            # Where the library refuses what nobody typed, Python answers as to any wrong code.
            self.case.assertEqual((step["expect"]["result"], result), ("E_ARGUMENT", "NOT_VALID"))
            return
        for name, path in step.get("capture", {}).items():
            captured = attribute(self.messages[-1], path) if self.hosted else field(self.reply, path)
            self.case.assertIsNot(captured, NONE, path)
            self.names[name] = as_text(captured)
        self.compare(step["expect"], result, answer)

    def compare(self, expect: Mapping[str, Any], result: str, answer: Any) -> None:
        case = self.case
        case.assertEqual(result, expect["result"], answer)
        case.assertEqual(self.reply["result"], f"OTP_{result}")
        case.assertEqual("message" in self.reply, result != "OK")
        for path, value in self.fill(expect.get("reply", {})).items():
            told = field(self.reply, path)
            case.assertEqual((told, type(told)), (value, type(value)), path)
            self.offers(answer, path, value)
        for path in expect.get("present", []):
            case.assertIsNot(field(self.reply, path), NONE, path)
        for path in expect.get("absent", []):
            case.assertIs(field(self.reply, path), NONE, path)
            if path not in ("message", "expiresInSeconds", "attemptsLeft"):
                case.assertIn(attribute(answer, path), (NONE, ()), path)
        for path, part in self.fill(expect.get("contains", {})).items():
            case.assertIn(part, as_text(field(self.reply, path)), path)
            if path == "message" and isinstance(answer, libotp.Error):
                case.assertIn(part, str(answer))
        for path, length in expect.get("length", {}).items():
            case.assertEqual(len(as_text(field(self.reply, path)).encode()), length, path)
        if "messages" in expect:
            case.assertEqual(len(self.messages), expect["messages"])
        for path, value in self.fill(expect.get("message", {})).items():
            case.assertEqual(attribute(self.messages[-1], path), value, path)

    def offers(self, answer: Any, path: str, value: Any) -> None:
        """A typed answer says what its reply says, where it has that field."""
        if isinstance(answer, libotp.SendError) and path.startswith("delivery"):
            answer = answer.created
        first = path.split(".")[0]
        if attribute(answer, first) is not NONE or isinstance(answer, (libotp.Status, libotp.Check, libotp.Webhook)):
            if not (path == "message" and isinstance(answer, libotp.Error)):
                offered = attribute(answer, path)
                self.case.assertEqual(list(offered) if isinstance(value, list) else offered, value, path)


class Vectors(unittest.TestCase):
    def test_vectors(self) -> None:
        scenarios = [
            scenario
            for file in sorted(FOLDER.glob("*.json"))
            for scenario in json.loads(file.read_text(encoding="utf-8"))
        ]
        steps = 0
        for scenario in scenarios:
            for kind in scenario.get("repositories", KINDS):
                with self.subTest(scenario["name"], repository=kind):
                    steps += self.scenario(scenario, kind)
        self.assertGreater(steps, 200, "vectors are missing")

    def scenario(self, scenario: Mapping[str, Any], kind: str) -> int:
        steps = [step for step in scenario["steps"] if not step.get("raw")]
        with tempfile.TemporaryDirectory(prefix="libotp-") as folder:
            runner = Runner(self, scenario, KINDS[kind].format(pathlib.Path(folder)))
            invoke = _service._invoke

            def listen(*args: Any) -> Tuple[int, bytes]:
                number, reply = invoke(*args)
                runner.reply = json.loads(reply)
                return number, reply

            with mock.patch.object(_service, "_invoke", listen):
                if "config" in scenario and steps:
                    runner.open(runner.fill(scenario["config"]))
                for number, step in enumerate(steps):
                    with self.subTest(step=number, call=step["call"]):
                        runner.run(step)
            runner.close()
        return len(steps)


if __name__ == "__main__":
    unittest.main()
