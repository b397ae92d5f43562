"""Whether a protected photo may be passed on: only once it defeats the retrieval that it was tested against."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from recessive.exposure import EncoderAudit

Passes = Literal["seen", "all"]
"""Who must not find it: the encoders that it was optimised against, or all that were asked."""


def passes(found: Sequence[EncoderAudit], who: Passes) -> bool:
    """Whether a photo may be passed on: nobody who counts finds it, as saved and after each transform asked for.

    A photo that is optimised against nobody is judged by all, whatever `who` is. Nobody asked is nobody convinced.

    Args:
        found: what each encoder finds, `per_encoder` of a report.
        who: counts.
    """
    seen = [entry for entry in found if entry.seen]
    counting = seen if seen and who == "seen" else found
    return bool(counting) and all(entry.hidden and all(entry.survives.values()) for entry in counting)
