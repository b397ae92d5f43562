"""Errors of training."""

from recessive.errors import RecessiveError


class TrainingError(RecessiveError, ValueError):
    """A hash network cannot be trained as requested; the message says what to change."""
