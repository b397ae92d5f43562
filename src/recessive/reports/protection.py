"""The report of one protected photo."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from recessive.exposure import EncoderAudit


@dataclass(frozen=True)
class ProtectReport:
    """What was done to one photo, and what searches find afterwards, on the re-read saved file.

    Attributes:
        input: the photo's path.
        output: the protected photo's path.
        method: its name.
        encoders: names of those that it was optimised against, local and global searches included; none for a method
            that works against none.
        budget: in 1/255, of the change before a lossy file format adds its own.
        norm: of the budget: linf or l2.
        steps: taken.
        seconds: from reading to the verdict.
        width: of the photo in pixels, upright.
        height: likewise.
        linf: largest change of a value in the saved file, in 1/255.
        psnr: of the saved file, in dB; None when nothing changed.
        ssim: of the saved file; None when it is too small to have one.
        hidden: none of `encoders` returns it among the first ten results of a search with the original; None when
            there is none.
        hidden_unseen: the same of all others.
        gallery: what was searched.
        gallery_photos: how many photos that holds.
        per_encoder: what each encoder finds.
        keypoints: for methods that work against local search, SIFT keypoints `before` and `after`, those `kept`, those
            that are `new`, and the `removal_rate`, see `KeypointReport`; None for other methods.
        verdict: in plain words.
        notes: what the owner should know about the file.
        skipped: it was done before, with the same input and settings; this is the report of then.
    """

    input: str
    output: str
    method: str
    encoders: tuple[str, ...]
    budget: float
    norm: str
    steps: int
    seconds: float
    width: int
    height: int
    linf: float
    psnr: float | None
    ssim: float | None
    hidden: bool | None
    hidden_unseen: bool | None
    gallery: str
    gallery_photos: int
    per_encoder: tuple[EncoderAudit, ...]
    keypoints: dict[str, float] | None
    verdict: str
    notes: tuple[str, ...]
    skipped: bool = False


def report_from_json(values: dict[str, Any]) -> ProtectReport:
    """A report from its JSON form."""
    audits = tuple(EncoderAudit(**entry) for entry in values["per_encoder"])
    lists = {key: tuple(values[key]) for key in ("encoders", "notes")}
    return ProtectReport(**{**values, **lists, "per_encoder": audits})
