"""Model states over HTTPS in numbers: for metrics, and for the status."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

from prometheus_client.core import CounterMetricFamily
from prometheus_client.registry import Collector

from infra.http_blobs import BlobTraffic, Pulled, Served

from .snapshot import Models

_FAULTS = (
    Served.REFUSED,
    Served.WRONG,
    Served.CUT_OFF,
    Served.CROWDED,
    Pulled.FAILED,
    Pulled.FALSE,
)


def models_of(traffic: BlobTraffic) -> Models:
    """Return what a status tells; absent states are no faults but the rhythm of a round."""
    return Models(
        served_bytes=traffic.served_bytes,
        served=traffic.count(Served.SENT),
        pulled_bytes=traffic.pulled_bytes,
        pulled=traffic.count(Pulled.WHOLE),
        failures={how.value: count for how in _FAULTS if (count := traffic.count(how))},
    )


class ModelNumbers(Collector):
    """Counters of the way over HTTPS, where this process has one."""

    def __init__(self, traffic: Callable[[], BlobTraffic | None]) -> None:
        self._traffic = traffic

    def describe(self) -> Iterable[CounterMetricFamily]:
        """Return nothing: which there are is known once the actor runs."""
        return ()

    def collect(self) -> Iterator[CounterMetricFamily]:
        """Yield bytes and endings, each ending from the start."""
        traffic = self._traffic()
        if traffic is None:
            return
        served, pulled = traffic.served_bytes, traffic.pulled_bytes
        yield _counter("model_served_bytes", "Bytes of model states sent over HTTPS", served)
        yield _endings("model_requests", "Requests for model states by their end", traffic, Served)
        yield _counter("model_pulled_bytes", "Bytes of model states pulled over HTTPS", pulled)
        yield _endings("model_pulls", "Attempts to pull model states by their end", traffic, Pulled)


def _counter(name: str, text: str, value: float) -> CounterMetricFamily:
    return CounterMetricFamily(f"quorate_{name}", text, value=value)


def _endings(
    name: str, text: str, traffic: BlobTraffic, kind: type[Served] | type[Pulled]
) -> CounterMetricFamily:
    family = CounterMetricFamily(f"quorate_{name}", text, labels=["end"])
    for how in kind:
        family.add_metric([how.value], traffic.count(how))
    return family
