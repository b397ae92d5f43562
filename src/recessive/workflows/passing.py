"""Whether a protected photo may be passed on: only once it defeats the retrieval that it was tested against."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from recessive.workflows.protect import ProtectReport

Passes = Literal["seen", "all"]
"""Who must not find it: the encoders that it was optimised against, or all that were asked."""


def passes(report: ProtectReport, who: Passes) -> bool:
    """Whether the photo may be passed on.

    A method that is optimised against nobody is judged by all, whatever `who` is. Nobody asked is nobody convinced.
    """
    if who == "seen" and report.hidden is not None:
        return report.hidden
    asked = [hidden for hidden in (report.hidden, report.hidden_unseen) if hidden is not None]
    return bool(asked) and all(asked)
