"""Figures of the service for Prometheus."""

from __future__ import annotations

import time
from collections.abc import Iterator

from prometheus_client import CollectorRegistry, Counter, Histogram, Metric, generate_latest
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from recessive.service.http.exchange import HttpMiddleware
from recessive.service.store.reading import JobReader

_METHODS = {"GET", "HEAD", "POST", "DELETE", "OPTIONS", "PUT", "PATCH"}
_SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.2, 0.5, 1.0, 2.5, 10.0)


class Metrics:
    """The figures of one app.

    Args:
        reader: counts the jobs whenever the figures are fetched.

    Attributes:
        uploads: the number of uploads by `outcome`: accepted, gone (the client left early), or the status of the
            refusal.
        bytes: the size of all accepted photos.
    """

    def __init__(self, reader: JobReader) -> None:
        self._registry = registry = CollectorRegistry()
        labels = ("method", "route", "status")
        self._requests = Counter("recessive_http_requests", "HTTP requests answered.", labels, registry=registry)
        self._seconds = Histogram(
            "recessive_http_request_seconds",
            "Time from the head of a request to the end of its response.",
            ("method", "route"),
            buckets=_SECONDS,
            registry=registry,
        )
        self.uploads = Counter("recessive_uploads", "Uploads by outcome.", ("outcome",), registry=registry)
        self.bytes = Counter("recessive_upload_bytes", "Bytes of accepted photos.", registry=registry)
        registry.register(_Queue(reader))

    def record(self, method: str, route: str, status: int, seconds: float) -> None:
        """Count a request that was answered."""
        method = method if method in _METHODS else "other"
        self._requests.labels(method, route, str(status)).inc()
        self._seconds.labels(method, route).observe(seconds)

    def text(self) -> bytes:
        """All figures in the text format of Prometheus."""
        return generate_latest(self._registry)


class _Queue(Collector):
    """What the database knows, queried whenever the figures are fetched."""

    def __init__(self, reader: JobReader) -> None:
        self._reader = reader

    def describe(self) -> list[Metric]:
        return []  # so that registering queries nothing

    def collect(self) -> Iterator[Metric]:
        yield _by_state("recessive_jobs", "Jobs by state.", self._reader.counts())
        yield _by_state("recessive_deliveries", "Deliveries by state.", self._reader.delivery_counts())
        waited = self._reader.oldest_waiting() or 0.0
        yield GaugeMetricFamily("recessive_oldest_waiting_seconds", "Age of the oldest waiting job.", value=waited)
        yield GaugeMetricFamily("recessive_workers", "Workers seen lately.", value=self._reader.workers())


def _by_state(name: str, documentation: str, counts: dict[str, int]) -> Metric:
    family = GaugeMetricFamily(name, documentation, labels=("state",))
    for state, count in counts.items():
        family.add_metric((state,), count)
    return family


class Measure(HttpMiddleware):
    """Counts requests and their time by the template of their route, never by their path."""

    def __init__(self, app: ASGIApp, metrics: Metrics) -> None:
        super().__init__(app)
        self._metrics = metrics

    async def _handle(self, scope: Scope, receive: Receive, send: Send) -> None:
        method, start, status = scope["method"], time.perf_counter(), 0

        async def send_noted(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        try:
            await self._app(scope, receive, send_noted)
        finally:
            route = getattr(scope.get("route"), "path", "none")
            self._metrics.record(method, route, status, time.perf_counter() - start)
