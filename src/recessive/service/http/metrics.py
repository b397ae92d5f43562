"""Figures of the service for Prometheus."""

from __future__ import annotations

import time
from collections.abc import Iterator

from prometheus_client import CollectorRegistry, Counter, Histogram, Metric, generate_latest
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from recessive.service.store.jobs import Jobs

_METHODS = {"GET", "HEAD", "POST", "DELETE", "OPTIONS", "PUT", "PATCH"}
_SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.2, 0.5, 1.0, 2.5, 10.0)


class Metrics:
    """The figures of one app.

    Args:
        jobs: of the service, counted when the figures are asked for.

    Attributes:
        uploads: photos sent, by `outcome`: accepted, gone (the client, before the end), or the status of the refusal.
        bytes: of the accepted photos.
    """

    def __init__(self, jobs: Jobs) -> None:
        self._registry = CollectorRegistry()
        self._requests = Counter(
            "recessive_http_requests",
            "HTTP requests answered.",
            ("method", "route", "status"),
            registry=self._registry,
        )
        self._seconds = Histogram(
            "recessive_http_request_seconds",
            "From the head of a request to the end of its response.",
            ("method", "route"),
            buckets=_SECONDS,
            registry=self._registry,
        )
        self.uploads = Counter(
            "recessive_uploads", "Photos sent, by what became of them.", ("outcome",), registry=self._registry
        )
        self.bytes = Counter("recessive_upload_bytes", "Bytes of accepted photos.", registry=self._registry)
        self._registry.register(_Jobs(jobs))

    def answered(self, method: str, route: str, status: int, seconds: float) -> None:
        """Count one request."""
        method = method if method in _METHODS else "other"
        self._requests.labels(method, route, str(status)).inc()
        self._seconds.labels(method, route).observe(seconds)

    def text(self) -> bytes:
        """All figures in Prometheus' text format.

        Raises:
            DatabaseError: the jobs cannot be counted.
        """
        return generate_latest(self._registry)


class _Jobs(Collector):
    """What the database knows, asked when the figures are."""

    def __init__(self, jobs: Jobs) -> None:
        self._jobs = jobs

    def describe(self) -> list[Metric]:
        return []  # so that registering asks for nothing

    def collect(self) -> Iterator[Metric]:
        states = GaugeMetricFamily("recessive_jobs", "Jobs there are, by state.", labels=("state",))
        for state, count in self._jobs.counts().items():
            states.add_metric((state,), count)
        yield states
        deliveries = GaugeMetricFamily("recessive_deliveries", "Deliveries there are, by state.", labels=("state",))
        for state, count in self._jobs.delivery_counts().items():
            deliveries.add_metric((state,), count)
        yield deliveries
        yield GaugeMetricFamily(
            "recessive_oldest_waiting_seconds",
            "How long the oldest waiting job has waited.",
            value=self._jobs.oldest_waiting() or 0.0,
        )
        yield GaugeMetricFamily("recessive_workers", "Workers seen lately.", value=self._jobs.workers())


class Measure:
    """ASGI middleware: counts requests and their seconds by the template of their route, never by their path."""

    def __init__(self, app: ASGIApp, metrics: Metrics) -> None:
        self._app, self._metrics = app, metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one connection."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        method, start, status = scope["method"], time.perf_counter(), 0

        async def noted(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        try:
            await self._app(scope, receive, noted)
        finally:
            route = getattr(scope.get("route"), "path", "none")
            self._metrics.answered(method, route, status, time.perf_counter() - start)
