"""Audit a protected photo against its original, whoever protected it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from recessive.exposure import EncoderAudit, audit
from recessive.photos import PhotoError, read_photo
from recessive.reports import fidelity
from recessive.searchers import HANDCRAFTED, entries, find, searchers
from recessive.transforms import parse_transform
from recessive.workflows.protect import finished


@dataclass(frozen=True)
class AuditReport:
    """What searches find of a protected photo.

    Attributes:
        original: the path of the photo as it was.
        protected: the path of the photo as it would be posted.
        gallery: what was searched.
        gallery_photos: the number of photos in it.
        linf: the largest change of a value in 1/255; like the next two, None when the photos differ in size.
        psnr: in dB; None also when nothing changed.
        ssim: the structural similarity.
        hidden: whether it is beyond the first ten results of every encoder that it was optimised against: those of its
            record, or those that protection uses by default when it has none.
        hidden_unseen: the same for all other encoders.
        encoders: what each encoder finds.
        verdict: the same in plain words.
        notes: what limits the verdict.
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
    notes: tuple[str, ...] = ()


def audit_photos(
    original: Path,
    protected: Path,
    *,
    encoders: Sequence[str] = (),
    gallery: Path | None = None,
    survive: Sequence[str] = (),
    progress: Callable[[int, int], None] | None = None,
    on_error: Callable[[PhotoError], None] | None = None,
) -> AuditReport:
    """Search with the original for the protected photo.

    Args:
        original: the path of the photo as it was.
        protected: the path of the photo as it would be posted.
        encoders: the names of the searchers, anything that the registry knows; when empty, all bundled encoders, the
            hand-crafted features, and those that the protected photo's record names.
        gallery: the folder of photos to search; the stored galleries when None.
        survive: transforms by name, which are applied to the protected photo.
        progress: called with (photos read, photos in total) while the gallery is read.
        on_error: called with the error of each gallery photo that cannot be read.

    Raises:
        PhotoError: if a photo cannot be read.
        SettingsError: if a searcher or a transform is unknown, or the gallery holds no photo.
        EncoderError: if weights are missing or damaged.
    """
    transforms = {text: parse_transform(text).real for text in survive}
    before, after = read_photo(original).pixels, read_photo(protected).pixels
    default = [name for name, entry in entries().items() if entry.seen is not None]
    names = tuple(dict.fromkeys(find(name).name for name in encoders or (*default, *HANDCRAFTED)))
    record = finished(protected)  # by us; otherwise assume that the defaults were used
    used = record["encoders"] if record else [name for name in default if find(name).seen]
    seen = [name for name in names if name in used]
    judges = searchers(names, seen, gallery, progress=progress, on_error=on_error)
    found = audit(before, after, judges, transforms)
    close = fidelity(before, after) if before.shape == after.shape else None
    return AuditReport(
        original=str(original),
        protected=str(protected),
        gallery="reference" if gallery is None else str(gallery),
        gallery_photos=found.gallery_photos,
        linf=close.linf if close else None,
        psnr=close.psnr if close else None,
        ssim=close.ssim if close else None,
        hidden=found.hidden,
        hidden_unseen=found.hidden_unseen,
        encoders=found.encoders,
        verdict=found.verdict,
        notes=tuple(judge.note for judge in judges if judge.note),
    )
