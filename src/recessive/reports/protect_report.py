"""The report of one protected photo: how close it is to the original, what finds it, whether it may be released."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

from torch import Tensor

from recessive.exposure import EncoderAudit
from recessive.quality import linf, psnr, ssim

SMALLEST_FOR_SSIM = 11  # pixels per side: the window of SSIM

ReleaseRule = Literal["seen", "all"]
"""Who must not find a photo: the encoders that it was optimised against, or all encoders of the audit."""


@dataclass(frozen=True)
class Fidelity:
    """How close a saved photo is to the photo that it was made from, rounded for people.

    Attributes:
        linf: the largest change of a value, in 1/255.
        psnr: in dB; None when nothing changed.
        ssim: the structural similarity; None when the photos are smaller than its window.
    """

    linf: float
    psnr: float | None
    ssim: float | None


def fidelity(before: Tensor, after: Tensor) -> Fidelity:
    """Compare two photos (3, H, W) in [0, 1] of the same size.

    Raises:
        ValueError: if the sizes differ.
    """
    pair = before[None], after[None]
    change, noise = float(linf(*pair)), float(psnr(*pair))
    similarity: float | None = None
    if min(before.shape[1:]) >= SMALLEST_FOR_SSIM:
        similarity = round(float(ssim(*pair)), 5) if change else 1.0  # exactly 1, whatever rounding does to the sums
    return Fidelity(round(255 * change, 3), round(noise, 3) if math.isfinite(noise) else None, similarity)


@dataclass(frozen=True)
class ProtectReport:
    """What was done to one photo, and what searches find afterwards. All figures are of the saved file, read again.

    Attributes:
        input: the path of the photo.
        output: the path of the protected photo.
        method: the name of the method.
        encoders: the names of the encoders that the photo was optimised against, local and global searches included;
            empty for a method that is not optimised against any.
        budget: in 1/255, for the change before a lossy file format adds its own.
        norm: the norm of the budget, linf or l2.
        steps: the number of steps taken.
        seconds: the time from reading the photo to the verdict.
        width: of the upright photo, in pixels.
        height: of the upright photo, in pixels.
        linf: the largest change of a value, in 1/255.
        psnr: in dB; None when nothing changed.
        ssim: the structural similarity; None when the photo is too small to have one.
        hidden: whether none of `encoders` returns the protected photo among the first ten results of a search with the
            original; None when `encoders` is empty.
        hidden_unseen: the same for all other encoders.
        gallery: the folder that was searched, or "reference".
        gallery_photos: the number of photos in the gallery.
        per_encoder: what each encoder finds.
        keypoints: for methods that work against local search, the number of SIFT keypoints `before` and `after`, of
            those `kept` and `new`, and the `removal_rate`, see `KeypointReport`; None for other methods.
        verdict: the result in plain words.
        notes: what the owner should know about the file.
        skipped: whether the photo was protected earlier, with the same settings, and this is the report of that run.
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
    """Restore a report from its JSON form."""
    audits = tuple(EncoderAudit(**entry) for entry in values["per_encoder"])
    lists = {key: tuple(values[key]) for key in ("encoders", "notes")}
    return ProtectReport(**{**values, **lists, "per_encoder": audits})


def may_be_released(found: Sequence[EncoderAudit], rule: ReleaseRule) -> bool:
    """Whether a photo may be passed on: no encoder that counts finds it, as saved or after any requested transform.

    A photo that was not optimised against any encoder is judged by all of them, whatever the rule. Without an encoder
    there is no evidence, and the photo is not released.

    Args:
        found: what each encoder finds, `per_encoder` of a report.
        rule: which encoders count.
    """
    seen = [entry for entry in found if entry.seen]
    counting = seen if seen and rule == "seen" else found
    return bool(counting) and all(entry.hidden and all(entry.survives.values()) for entry in counting)
