"""Counts for Prometheus: requests, jobs, faces and windows. Never whose."""

from collections.abc import Sequence

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

__all__ = ["Metrics"]

_SECONDS = (0.01, 0.05, 0.1, 0.5, 1, 5, 10, 30, 60, 300, 1800)


class Metrics:
    """The counters of one service, in a registry of its own."""

    def __init__(self) -> None:
        registry = CollectorRegistry()
        self._registry = registry
        self.requests = Counter(
            "maedfer_requests", "Requests answered", ["method", "route", "status"], registry=registry
        )
        self.request_seconds = Histogram(
            "maedfer_request_seconds",
            "Seconds to the end of the answer",
            ["route"],
            buckets=_SECONDS,
            registry=registry,
        )
        self.queued = Gauge("maedfer_queued_jobs", "Jobs that wait for a worker", registry=registry)
        self.running = Gauge("maedfer_running_jobs", "Jobs that are being read", registry=registry)
        self.kept = Gauge("maedfer_kept_jobs", "Ended jobs that can still be asked for", registry=registry)
        self.jobs = Counter("maedfer_jobs", "Jobs by their end", ["state"], registry=registry)
        self.job_seconds = Histogram(
            "maedfer_job_seconds", "Seconds that a job kept a worker", buckets=_SECONDS, registry=registry
        )
        self.faces = Counter("maedfer_faces", "Faces judged", registry=registry)
        self.windows = Counter("maedfer_windows", "Windows judged", registry=registry)
        self.video_seconds = Counter("maedfer_video_seconds", "Seconds of video read", registry=registry)
        self.restarts = Counter("maedfer_worker_restarts", "Workers that had to be replaced", registry=registry)

    def count(self, states: Sequence[str]) -> None:
        """Show how many jobs are in which state."""
        queued, running = states.count("queued"), states.count("running")
        self.queued.set(queued)
        self.running.set(running)
        self.kept.set(len(states) - queued - running)

    def text(self) -> bytes:
        """The exposition format that Prometheus reads."""
        return generate_latest(self._registry)
