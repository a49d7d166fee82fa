"""The short examples, and what they print."""

from __future__ import annotations

import importlib.util
import json
import os
import re
import subprocess
import sys
import unittest
from typing import Any, List
from unittest import mock

from helpers import HANGS_SECONDS, ROOT, Case, environment, missing

FOLDER = ROOT / "examples" / "python"
TESTED = ["async_verify.py", "create_verify.py", "custom_sender.py", "log_events.py", "login.py", "prefork.py"]
#: Most lines of an example.
LINES = 90


class Examples(Case):
    def start(self, name: str, *arguments: str) -> "subprocess.Popen[str]":
        return subprocess.Popen(
            [sys.executable, str(FOLDER / name), *arguments], cwd=self.folder, env=environment(), text=True,
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        )  # fmt: skip

    def printed(self, name: str, *arguments: str) -> List[str]:
        """What an example that must succeed prints."""
        with self.start(name, *arguments) as process:
            out, err = process.communicate(timeout=HANGS_SECONDS)
        self.assertEqual((process.returncode, err), (0, ""))
        return out.splitlines()

    def test_every_example_is_tested_and_short(self) -> None:
        self.assertEqual(sorted(path.name for path in FOLDER.glob("*.py")), TESTED)
        for name in TESTED:
            self.assertLessEqual(len((FOLDER / name).read_text(encoding="utf-8").splitlines()), LINES, name)

    def test_custom_sender(self) -> None:
        expected = ["gateway: a message by sms", "right: True", "again: The code has already been verified",
                    "in doubt: True, because of no answer from the gateway", "state: pending"]  # fmt: skip
        self.assertEqual(self.printed("custom_sender.py"), expected)

    def test_async_verify(self) -> None:
        self.assertEqual(self.printed("async_verify.py"), ["100 of 100 logged in once"])

    def test_log_events(self) -> None:
        lines = [json.loads(line) for line in self.printed("log_events.py")]
        self.assertEqual(lines[0], {"logger": "program", "severity": "INFO", "event": "it begins"})
        told = [(line["logger"], line["severity"], line["event"], line["result"]) for line in lines[1:]]
        expected = [("create", "OTP_OK"), ("verify", "OTP_NOT_VALID"), ("verify", "OTP_OK"), ("verify", "OTP_CHECKED")]
        self.assertEqual(told, [("otp", "INFO", *event) for event in expected])
        self.assertEqual(len({line["record"] for line in lines[1:]}), 1)

    def test_prefork(self) -> None:
        *lines, last = self.printed("prefork.py", str(self.folder / "otp.db"))
        self.assertEqual(last, "4 workers, 0 failed")
        self.assertEqual(sorted(line.split(", ")[0] for line in lines), [f"worker {n}: own code True" for n in range(1, 5)])
        shared = sorted(line.split("shared code: ")[1] for line in lines)
        self.assertEqual(shared, ["OK"] + 3 * ["The code has already been verified"])

    def test_create_verify(self) -> None:
        with self.start("create_verify.py", "session", "393331234567") as process:
            assert process.stderr is not None
            code = process.stderr.readline().split()[-1]
            wrong = "000000" if code != "000000" else "111111"
            out, err = process.communicate(f"{wrong}\n\n{code}\n", timeout=HANGS_SECONDS)
        expected = "The code is good for 300 seconds.\nCode: Not found (4 attempts left)\nCode: Code: Welcome\n"
        self.assertEqual((process.returncode, out, err), (0, expected, ""))
        with self.start("create_verify.py", "session", "not a number") as process:
            out, err = process.communicate(timeout=HANGS_SECONDS)
        self.assertEqual((process.returncode, out, "phoneNumber" in err), (1, "", True))

    def test_login(self) -> None:
        if importlib.util.find_spec("flask") is None:
            missing("flask")
        with mock.patch.dict(os.environ, {"OTP_REPOSITORY": f"sqlite:{self.folder}/otp.db"}):
            specification = importlib.util.spec_from_file_location("login", FOLDER / "login.py")
            assert specification is not None and specification.loader is not None
            login: Any = importlib.util.module_from_spec(specification)
            specification.loader.exec_module(login)
        codes: List[str] = []
        with login.otp:
            login.otp = self.open(lambda message: codes.append(message.code))
            ada, eve = login.app.test_client(), login.app.test_client()
            pages = [client.post("/login", data={"account": name}).text for client, name in ((ada, "ada"), (eve, "nobody"))]
            self.assertEqual(pages[0], pages[1])
            self.assertEqual(len(codes), 1)
            self.assertEqual(login.app.test_client().post("/code", data={"code": codes[0]}).status_code, 400)
            for client, typed in ((eve, codes[0]), (ada, ""), (ada, "x")):
                self.assertEqual(client.post("/code", data={"code": typed}).status_code, 200)
                self.assertNotIn("Welcome", client.get("/").text)
            self.assertEqual(ada.post("/code", data={"code": codes[0]}).status_code, 302)
            self.assertEqual(ada.get("/").text, "Welcome")

    def test_readme(self) -> None:
        """The first program of the package's README, as it stands there."""
        readme = (ROOT / "bindings" / "python" / "README.md").read_text(encoding="utf-8")
        programs = re.findall("```python\n(.*?)```", readme, re.DOTALL)
        program = self.folder / "readme.py"
        program.write_text(programs[0], encoding="utf-8")
        with self.start(str(program)) as process:
            assert process.stderr is not None
            code = process.stderr.readline().split()[-1]
            out, err = process.communicate(f"{code}\n", timeout=HANGS_SECONDS)
        self.assertEqual((process.returncode, err), (0, ""))
        self.assertEqual(("Result.NOT_VALID" in out, out.splitlines()[-1]), (True, "Code: Welcome"), out)


if __name__ == "__main__":
    unittest.main()
