"""A service's counters for ``prometheus_client`` (``pip install libotp[prometheus]``)::

    from prometheus_client import REGISTRY
    from libotp.metrics import Collector

    REGISTRY.register(Collector(otp))

Names follow from those of :meth:`libotp.Service.metrics`: ``calls.create.OTP_OK`` is
``otp_calls_total{call="create",result="OTP_OK"}``.
"""

from __future__ import annotations

from typing import Iterable, Union

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector as _Collector

from ._async import AsyncService
from ._service import Service

_STORE = {
    "operations": "Transactions and reads of the repository.",
    "microseconds": "How long they took, waiting for others included.",
    "busy": "Those that came to OTP_E_BUSY.",
    "failed": "Those that the repository failed, or a row that is damaged.",
}


class Collector(_Collector):
    """Reads the counters of a service whenever a registry is read. Unregister it before the service is closed.

    :param service: what is to be read. A registry takes one; another service needs a registry of its own.
    """

    def __init__(self, service: Union[Service, AsyncService]) -> None:
        # To read takes no thread: nothing waits.
        self._service = service._service if isinstance(service, AsyncService) else service

    def collect(self) -> Iterable[Metric]:
        told = self._service.metrics()
        calls = CounterMetricFamily("otp_calls", "Calls, by what they came to.", labels=["call", "result"])
        for call, results in told.get("calls", {}).items():
            for result, count in results.items():
                calls.add_metric([call, result], count)
        send = CounterMetricFamily("otp_send", "Messages, by what came of them.", labels=["sender", "outcome"])
        for sender, outcomes in told.get("send", {}).items():
            for outcome, count in outcomes.items():
                send.add_metric([sender, outcome], count)
        reports = CounterMetricFamily("otp_reports", "Reports, by what they said.", labels=["status"])
        for status, count in told.get("reports", {}).items():
            reports.add_metric([status], count)
        yield from (calls, send, reports)
        store = told.get("store", {})
        for name, text in _STORE.items():
            yield CounterMetricFamily(f"otp_store_{name}", text, value=store.get(name, 0))
        if "live" in told:
            yield GaugeMetricFamily("otp_live", "Codes that were good in the last full round.", value=told["live"])
        if "due" in told:
            yield GaugeMetricFamily("otp_due", "Timed steps that the last full round found due.", value=told["due"])
