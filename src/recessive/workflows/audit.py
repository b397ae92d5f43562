"""Audit a protected photo against its original, whoever protected it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from recessive.encoders import bundled_encoders
from recessive.exposure import EncoderAudit, audit
from recessive.photos import PhotoError, read_photo
from recessive.reports.protect_report import fidelity
from recessive.searchers.searchers import DESCRIPTORS, searchers
from recessive.transforms import parse_transform
from recessive.workflows.records import finished


@dataclass(frozen=True)
class AuditReport:
    """What searches find.

    Attributes:
        original: path.
        protected: path.
        gallery: what was searched.
        gallery_photos: how many photos that holds.
        linf: largest change of a value in 1/255; like the other two, None when the photos differ in size.
        psnr: in dB; None also when nothing changed.
        ssim: structural similarity.
        hidden: not among the first ten results of any encoder that was optimised against: as recorded beside the
            protected photo, else the bundled ones that are by default.
        hidden_unseen: not among those of any other encoder.
        encoders: what each encoder finds.
        verdict: in plain words.
    """

    original: str
    protected: str
    gallery: str
    gallery_photos: int
    linf: float | None
    psnr: float | None
    ssim: float | None
    hidden: bool | None
    hidden_unseen: bool | None
    encoders: tuple[EncoderAudit, ...]
    verdict: str


def audit_photos(
    original: Path,
    protected: Path,
    *,
    encoders: Sequence[str] = (),
    gallery: Path | None = None,
    survive: Sequence[str] = (),
    progress: Callable[[int, int], None] | None = None,
    complain: Callable[[PhotoError], None] | None = None,
) -> AuditReport:
    """Search with the original for the protected photo.

    Args:
        original: path.
        protected: path.
        encoders: names of bundled ones, or of local and global searches; all of them when empty.
        gallery: folder of photos to search; the bundled reference gallery when None.
        survive: transforms by name, applied to the protected photo.
        progress: told how many of how many gallery photos are read.
        complain: told of gallery photos that cannot be read.

    Raises:
        PhotoError: a photo cannot be read.
        SettingsError: the gallery holds no photo.
        EncoderError: an unknown encoder, or a committed checkpoint.
        ValueError: an unknown transform.
    """
    transforms = {text: parse_transform(text).real for text in survive}
    before, after = read_photo(original).pixels, read_photo(protected).pixels
    listed = bundled_encoders()
    names = tuple(dict.fromkeys(encoders or (*listed, *DESCRIPTORS)))
    made = finished(protected)  # by us, and recorded; otherwise take it that the defaults were used
    used = made["encoders"] if made else [name for name, entry in listed.items() if entry.seen]
    seen = [name for name in names if name in used]
    judges = searchers(names, seen, gallery, progress=progress, complain=complain)
    found = audit(before, after, judges, transforms)
    near = fidelity(before, after) if before.shape == after.shape else None
    return AuditReport(
        original=str(original),
        protected=str(protected),
        gallery="reference" if gallery is None else str(gallery),
        gallery_photos=found.gallery_photos,
        linf=near.linf if near else None,
        psnr=near.psnr if near else None,
        ssim=near.ssim if near else None,
        hidden=found.hidden,
        hidden_unseen=found.hidden_unseen,
        encoders=found.encoders,
        verdict=found.verdict,
    )
