"""Search with a photo that is not the private one: a carrier that retrieves what the private photo would.

Huang, Zhan, Hu, Shi, "A fast method for protecting users' privacy in image hash retrieval system", Machines 2022,
Fig. 1, third row. Only the query photo leaves the machine. The service still learns what it returns.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from recessive.errors import SettingsError, photo_error
from recessive.exposure import FIRST_RESULTS, describe
from recessive.files import file_digest, make_folder
from recessive.photos import Format, PhotoError, format_named, format_of_path, output_settings, read_photo, save_photo
from recessive.protection.methods import METHODS
from recessive.reports.protect_report import fidelity
from recessive.searchers.searcher import Searcher
from recessive.searchers.searchers import searchers
from recessive.transforms.grid import shrink
from recessive.workflows.changes import Changer
from recessive.workflows.settings import PrivateQuerySettings

_FEW = 10 * FIRST_RESULTS  # photos in a gallery, below which shared results mean little


@dataclass(frozen=True)
class QueryResults:
    """What one encoder returns to the query, to the carrier as it was, and to the private photo.

    Attributes:
        name: of the encoder.
        seen: whether the query was optimised against it.
        distance_before: of the carrier to the private photo (bits, or cosine distance).
        distance_after: of the query to the private photo.
        shared_before: how many of the private photo's first results the carrier returns, too.
        shared: how many of them the query returns.
        carriers: how many of the carrier's first results the query still returns.
        retrieves: at least half of the private photo's first results are shared, and more than by chance.
    """

    name: str
    seen: bool
    distance_before: float
    distance_after: float
    shared_before: int
    shared: int
    carriers: int
    retrieves: bool


@dataclass(frozen=True)
class PrivateQueryReport:
    """A query photo, and what searches with it return, on the re-read saved file.

    Attributes:
        private: path of the photo that stays at home.
        carrier: path of the photo that the query looks like.
        output: path of the query.
        method: its name.
        encoders: names of those that it was optimised against.
        budget: in 1/255, of the change before a lossy file format adds its own.
        steps: taken.
        seconds: from reading to the verdict.
        width: of the query in pixels.
        height: likewise.
        linf: largest change of a value of the carrier, in 1/255.
        psnr: to the carrier, in dB; None when nothing changed.
        ssim: to the carrier; None when it is too small to have one.
        retrieves: every one of `encoders` returns to the query what it returns to the private photo.
        retrieves_unseen: so does every other; None when there is none.
        gallery: what was searched.
        gallery_photos: how many photos that holds.
        first: how many results are compared.
        by_chance: how many of them two photos would share on average if results were drawn: first² / gallery_photos.
        per_encoder: what each encoder returns.
        verdict: in plain words.
        notes: what the owner should know.
    """

    private: str
    carrier: str
    output: str
    method: str
    encoders: tuple[str, ...]
    budget: float
    steps: int
    seconds: float
    width: int
    height: int
    linf: float
    psnr: float | None
    ssim: float | None
    retrieves: bool | None
    retrieves_unseen: bool | None
    gallery: str
    gallery_photos: int
    first: int
    by_chance: float
    per_encoder: tuple[QueryResults, ...]
    verdict: str
    notes: tuple[str, ...]


def make_private_query(
    private: Path,
    carrier: Path,
    out: Path,
    settings: PrivateQuerySettings | None = None,
    *,
    overwrite: bool = False,
    progress: Callable[[int, int], None] | None = None,
    complain: Callable[[PhotoError], None] | None = None,
) -> PrivateQueryReport:
    """Make a photo that looks like the carrier and retrieves what the private photo would.

    The carrier's location is removed from the file, and nothing of the private photo's camera data is in it.

    Args:
        private: the photo whose results are wanted; only read.
        carrier: the photo that the query is to look like.
        out: where to; its name says the format, PNG where it says none.
        settings: the method and the rest; the usual ones when None.
        overwrite: replace an existing file.
        progress: told how many of how many gallery photos are read.
        complain: told of gallery photos that cannot be read.

    Raises:
        SettingsError: the two photos are one, the method takes no target, the output's folder cannot be made, or as
            `Changer` has it.
        PhotoError: a photo cannot be read, or the query cannot be made or saved.
    """
    start, settings = time.perf_counter(), settings or PrivateQuerySettings()
    _refuse_what_does_not_fit(private, carrier, settings)
    changer = Changer(settings, targeted=True, progress=progress, complain=complain)
    saved_as = _format(out, settings)
    wanted, photo = read_photo(private), read_photo(carrier)
    _refuse_what_is_in_the_way(out, private, carrier, overwrite=overwrite)
    judges = searchers(changer.judges, changer.encoders, settings.gallery, progress=progress, complain=complain)
    make_folder(out.parent)
    try:
        written = output_settings(photo, format=saved_as, quality=settings.quality)
        with torch.inference_mode(mode=False), torch.enable_grad():
            pixels, steps = changer.change(photo, written, [shrink(wanted.pixels[None], settings.grid)[0]])
    except (PhotoError, ValueError, RuntimeError, MemoryError) as error:
        raise photo_error(carrier, error, "made a query") from error
    save_photo(photo, pixels, out, format=saved_as, quality=settings.quality, overwrite=overwrite)
    try:
        saved = read_photo(out).pixels
        found = compare_results(wanted.pixels, photo.pixels, saved, judges)
        near = fidelity(photo.pixels, saved)
    except BaseException:  # Ctrl-C too: a query that nobody vouches for
        out.unlink(missing_ok=True)
        raise
    held = len(judges[0].gallery)
    first = min(FIRST_RESULTS, held)
    few = (f"the gallery holds {held} photos: too few for shared results to mean much",) if held < _FEW else ()
    seen = [entry.retrieves for entry in found if entry.seen]
    unseen = [entry.retrieves for entry in found if not entry.seen]
    return PrivateQueryReport(
        private=str(private),
        carrier=str(carrier),
        output=str(out),
        method=changer.method.name,
        encoders=changer.encoders,
        budget=changer.budget,
        steps=steps,
        seconds=round(time.perf_counter() - start, 3),
        width=saved.shape[2],
        height=saved.shape[1],
        linf=near.linf,
        psnr=near.psnr,
        ssim=near.ssim,
        retrieves=all(seen) if seen else None,
        retrieves_unseen=all(unseen) if unseen else None,
        gallery="reference" if settings.gallery is None else str(settings.gallery),
        gallery_photos=held,
        first=first,
        by_chance=round(first**2 / held, 3),
        per_encoder=found,
        verdict=verdict(found, first),
        notes=(*photo.notes, *few),
    )


def _refuse_what_does_not_fit(private: Path, carrier: Path, settings: PrivateQuerySettings) -> None:
    """Photos that are one, and methods that cannot make a query of a carrier.

    Raises:
        SettingsError: says what to change.
    """
    shown = file_digest(carrier)
    if shown and shown == file_digest(private):
        raise SettingsError(f"{carrier} is the private photo itself; choose a --carrier that may be seen")
    fit = [name for name, method in METHODS.items() if "target" in method.needs and "labels" not in method.needs]
    if settings.method in METHODS and settings.method not in fit:
        raise SettingsError(f"{settings.method} cannot be told what to retrieve; methods that can: {', '.join(fit)}")


def _format(out: Path, settings: PrivateQuerySettings) -> Format:
    """Of the query: the one asked for, else that of its name, else PNG, which loses nothing.

    Raises:
        SettingsError: there is no such format, or the name says another.
    """
    named = format_of_path(out)
    try:
        chosen = named or "PNG" if settings.format is None else format_named(settings.format)
    except ValueError as error:
        raise SettingsError(str(error)) from None
    if named not in (None, chosen):
        raise SettingsError(f"{out} is named as {named}, but --format is {chosen}; change one of them")
    return chosen


def _refuse_what_is_in_the_way(out: Path, private: Path, carrier: Path, *, overwrite: bool) -> None:
    """Before the work.

    Raises:
        PhotoError: the output is one of the two photos, or exists already.
    """
    for path, what in ((private, "private photo"), (carrier, "carrier")):
        if out.exists() and out.samefile(path):
            raise PhotoError(out, f"is the {what} itself; choose another --out")
    if os.path.lexists(out) and not overwrite:
        raise PhotoError(out, "exists already; use --overwrite, or another --out")


@torch.no_grad()
def compare_results(
    private: Tensor, carrier: Tensor, query: Tensor, searchers: Sequence[Searcher]
) -> tuple[QueryResults, ...]:
    """Compare the first results of a query with those of the private photo and of the carrier.

    Args:
        private: (3, H, W) in [0, 1].
        carrier: (3, H', W').
        query: (3, H', W'), as re-read from its file.
        searchers: encoders, each with the same gallery photos.
    """
    seen = zip(*(describe(searchers, photo) for photo in (private, carrier, query)), strict=True)
    found = []
    for searcher, asked in zip(searchers, seen, strict=True):
        gallery = searcher.gallery
        wanted, before, after = (set(gallery.search(item, FIRST_RESULTS).indices[0].tolist()) for item in asked)
        distance_before, distance_after = (gallery.between(asked[0], item)[0] for item in asked[1:])
        shared, first = len(wanted & after), len(wanted)
        found.append(
            QueryResults(
                name=searcher.encoder.name,
                seen=searcher.seen,
                distance_before=float(distance_before),
                distance_after=float(distance_after),
                shared_before=len(wanted & before),
                shared=shared,
                carriers=len(before & after),
                retrieves=2 * shared >= first and shared > first**2 / len(gallery),
            )
        )
    return tuple(found)


def verdict(found: Sequence[QueryResults], first: int) -> str:
    """A plain sentence or two; a difference between seen and unseen encoders is always said."""
    parts = []
    for seen, those in (
        (True, "the encoders it was optimised against"),
        (False, "encoders it was not optimised against"),
    ):
        entries = [entry for entry in found if entry.seen == seen]
        if not entries:
            continue
        verb = "Finds" if all(entry.retrieves for entry in entries) else "Does NOT find"
        figures = ", ".join(f"{e.name} {e.shared} of {first} results (the carrier {e.shared_before})" for e in entries)
        parts.append(f"{verb} what the private photo finds with {those}: {figures}.")
    return f"{' '.join(parts)} Another encoder may return something else."
