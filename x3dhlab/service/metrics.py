"""What an operator sees: counters for Prometheus and one JSON line a request.

Neither holds a name, a key or who talks to whom: routes appear as templates. Four causes of a
failed first message have counters of their own, because their remedies differ. The service itself
meets some; the others only clients can see, and they say so without saying who they are.
"""

import json
import logging
import time

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

ONE_TIME_KEY_MISSING = "one_time_key_missing"
SIGNED_PREKEY_UNKNOWN = "signed_prekey_unknown"
SIGNATURE_INVALID = "signature_invalid"
REPLAY = "replay"
REASONS = (ONE_TIME_KEY_MISSING, SIGNED_PREKEY_UNKNOWN, SIGNATURE_INVALID, REPLAY)

logger = logging.getLogger("x3dhlab.service")


class Metrics:
    """The counters of one application."""

    def __init__(self):
        self.registry = CollectorRegistry()

        def counted(kind, name, meaning, labels=()):
            return kind(f"x3dhlab_{name}", meaning, labels, registry=self.registry)

        self.requests = counted(
            Counter, "requests", "Answers by route and status.", ("method", "route", "status")
        )
        self.seconds = counted(Histogram, "request_seconds", "Time to an answer.", ("route",))
        self.sockets = counted(Gauge, "sockets", "Open WebSocket connections.")
        self.stored = counted(Counter, "messages_stored", "Messages put into mailboxes.")
        self.delivered = counted(Counter, "messages_handed_out", "Also those handed out again.")
        self.acknowledged = counted(Counter, "messages_acknowledged", "Messages that have left.")
        self.expired = counted(Counter, "messages_expired", "Messages that nobody took in time.")
        self._problems = {
            reason: counted(Counter, reason, meaning, ("seen_by",))
            for reason, meaning in (
                (ONE_TIME_KEY_MISSING, "A one-time prekey was asked for, and there was none."),
                (SIGNED_PREKEY_UNKNOWN, "A message named a signed prekey that was deleted."),
                (SIGNATURE_INVALID, "A signature over a key or a challenge did not fit."),
                (REPLAY, "A message came a second time."),
            )
        }
        for counter in self._problems.values():
            for seen_by in ("service", "client"):
                counter.labels(seen_by)

    def problem(self, reason: str, seen_by: str = "service") -> None:
        """Count one of `REASONS`."""
        self._problems[reason].labels(seen_by).inc()

    def answered(self, method: str, route: str, status: int, seconds: float) -> None:
        """Count an answer and log it."""
        self.requests.labels(method, route, status).inc()
        self.seconds.labels(route).observe(seconds)
        log("request", method=method, route=route, status=status, ms=round(seconds * 1000, 2))

    def text(self) -> bytes:
        """All of it in Prometheus' text format."""
        return generate_latest(self.registry)


def log(event: str, **facts) -> None:
    """One event; facts are numbers and fixed words only."""
    logger.info(event, extra={"facts": facts})


class JsonLines(logging.Formatter):
    """A log record as one line of JSON: time, level, event and its facts."""

    def format(self, record):
        when = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(record.created))
        line = {"time": when, "level": record.levelname.lower(), "event": record.getMessage()}
        return json.dumps(line | getattr(record, "facts", {}))
