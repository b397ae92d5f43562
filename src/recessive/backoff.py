"""Exponential back-off: how long to wait between attempts."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass
class Backoff:
    """Waiting times wₖ = min(first · 2ᵏ, longest) in seconds for attempts k = 0, 1, 2, ...

    Attributes:
        first: the first waiting time, in seconds.
        longest: the upper limit, in seconds.
        attempts: k, the number of waiting times since the last success.
    """

    first: float
    longest: float
    attempts: int = 0

    def wait(self) -> float:
        """Returns the next waiting time in seconds."""
        seconds = backoff(self.attempts, self.first, self.longest)
        self.attempts += 1
        return seconds

    def reset(self) -> None:
        """Starts again from the first waiting time, after a success."""
        self.attempts = 0


def backoff(attempt: int, first: float, longest: float) -> float:
    """Returns the waiting time after attempt k = 0, 1, 2, ...: min(first · 2ᵏ, longest), in seconds."""
    return min(first * 2.0 ** min(attempt, 60), longest)
