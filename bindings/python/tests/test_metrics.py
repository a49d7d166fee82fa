"""What a service counts, and how ``prometheus_client`` is told."""

from __future__ import annotations

import asyncio
import json
import unittest
import unittest.mock
from typing import Callable, Dict, Iterable, Tuple

import libotp
from helpers import ROOT

CONFIG = {"repository": "memory:", "sender": {"type": "none"}}


class Metrics(unittest.TestCase):
    def test_calls_are_counted_by_their_results(self) -> None:
        with libotp.Service(CONFIG) as otp:
            self.assertEqual(otp.metrics(), {})
            code = otp.create("session").code or ""
            otp.verify("session", "x" + code)
            otp.verify("session", code)
            with self.assertRaises(libotp.ArgumentError):
                otp.create("", {})
            otp.run_due()
            told = otp.metrics()
            self.assertEqual(told["calls"]["create"], {"OTP_OK": 1, "OTP_E_ARGUMENT": 1})
            self.assertEqual(told["calls"]["verify"], {"OTP_NOT_VALID": 1, "OTP_OK": 1})
            self.assertEqual((told["live"], "due" in told, "reports" in told), (0, False, False))
            self.assertGreater(told["store"]["operations"], 2)
        with self.assertRaises(libotp.ArgumentError):
            otp.metrics()

    def test_messages_are_counted_by_their_sender(self) -> None:
        with libotp.Service({"repository": "memory:"}, sender=lambda message: None) as otp:
            otp.create("session", phone_number="+39 333 123 4567")
            self.assertEqual(otp.metrics()["send"], {"host": {"accepted": 1}})

    def test_an_async_service_counts_as_well(self) -> None:
        async def counted() -> libotp.Metrics:
            async with libotp.AsyncService(CONFIG) as otp:
                await otp.create("session")
                return await otp.metrics()

        self.assertEqual(asyncio.run(counted())["calls"], {"create": {"OTP_OK": 1}})


try:
    from prometheus_client import CollectorRegistry, generate_latest
    from prometheus_client.core import Metric

    from prometheus_client.openmetrics import exposition, parser

    from libotp.metrics import Collector

    GENERATE: Callable[[CollectorRegistry], bytes] = exposition.generate_latest
    PARSE: Callable[[str], Iterable[Metric]] = parser.text_string_to_metric_families

    HAS_PROMETHEUS = True
except ImportError:
    HAS_PROMETHEUS = False


def families(page: str) -> Dict[str, Tuple[str, str, Dict[str, float]]]:
    """What a page of OpenMetrics says: of each family its type, what it means, and its samples."""
    return {
        family.name: (
            family.type, family.documentation, {f"{sample.name}{sorted(sample.labels.items())}": sample.value for sample in family.samples}
        )
        for family in PARSE(page)
    }  # fmt: skip


@unittest.skipUnless(HAS_PROMETHEUS, "prometheus_client is not installed")
class Prometheus(unittest.TestCase):
    def test_every_counter_has_its_name(self) -> None:
        registry = CollectorRegistry(auto_describe=True)
        with libotp.Service(CONFIG) as otp:
            registry.register(Collector(otp))
            self.assertNotIn("otp_live", generate_latest(registry).decode())
            code = otp.create("session").code or ""
            otp.verify("session", "x" + code)
            otp.run_due()
            text = generate_latest(registry).decode()
            value = registry.get_sample_value
            self.assertEqual(value("otp_calls_total", {"call": "create", "result": "OTP_OK"}), 1)
            self.assertEqual(value("otp_calls_total", {"call": "verify", "result": "OTP_NOT_VALID"}), 1)
            self.assertEqual(value("otp_store_operations_total"), otp.metrics()["store"]["operations"])
            self.assertEqual(value("otp_live"), 1)
            self.assertNotIn("otp_due", text)
            self.assertIn('otp_calls_total{call="create",result="OTP_OK"} 1.0\n', text)

    def test_a_reply_is_told_as_the_library_itself_tells_it(self) -> None:
        told = json.loads((ROOT / "tests/data/openmetrics.json").read_text(encoding="utf-8"))
        registry = CollectorRegistry()
        with libotp.Service(CONFIG) as otp:
            with unittest.mock.patch.object(libotp.Service, "metrics", return_value=told):
                registry.register(Collector(otp))
                page = GENERATE(registry).decode()
        expected = (ROOT / "tests/data/openmetrics.txt").read_text(encoding="utf-8")
        self.assertEqual(families(page), families(expected))
        self.assertGreater(len(families(expected)["otp_calls"][2]), 90)

    def test_all_groups_are_told(self) -> None:
        told: libotp.Metrics = {
            "calls": {"resend": {"OTP_UNKNOWN": 2}},
            "send": {"messages": {"in_doubt": 3}},
            "reports": {"read": 4},
            "store": {"microseconds": 5, "busy": 6, "failed": 7, "operations": 8},
            "live": 9,
            "due": 10,
        }
        registry = CollectorRegistry()
        with libotp.Service(CONFIG) as otp:
            with unittest.mock.patch.object(libotp.Service, "metrics", return_value=told):
                registry.register(Collector(otp))
                names = {
                    (sample.name, tuple(sample.labels.values())): sample.value
                    for metric in registry.collect()
                    for sample in metric.samples
                }
        self.assertEqual(
            names,
            {
                ("otp_calls_total", ("resend", "OTP_UNKNOWN")): 2,
                ("otp_send_total", ("messages", "in_doubt")): 3,
                ("otp_reports_total", ("read",)): 4,
                ("otp_store_microseconds_total", ()): 5,
                ("otp_store_busy_total", ()): 6,
                ("otp_store_failed_total", ()): 7,
                ("otp_store_operations_total", ()): 8,
                ("otp_live", ()): 9,
                ("otp_due", ()): 10,
            },
        )


if __name__ == "__main__":
    unittest.main()
