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
from recessive.files import file_digest, make_folder, write_whole
from recessive.options import PrivateQueryOptions, check
from recessive.photos import (
    Format,
    PhotoError,
    decode_photo,
    encode_photo,
    format_named,
    format_of_path,
    output_settings,
    read_photo,
)
from recessive.protection.methods import METHODS
from recessive.reports import fidelity
from recessive.searchers import Searcher, searchers
from recessive.transforms.transform import shrink
from recessive.workflows.method_runner import MethodRunner

_FEW = 10 * FIRST_RESULTS  # photos in a gallery, below which shared results mean little


@dataclass(frozen=True)
class QueryResults:
    """What one encoder returns to the query, to the carrier as it was, and to the private photo.

    Attributes:
        name: the name of the encoder.
        seen: whether the query was optimised against it.
        distance_before: the distance from the carrier to the private photo (bits, or cosine distance).
        distance_after: the distance from the query to the private photo.
        shared_before: how many of the private photo's first results the carrier returns, too.
        shared: how many of them the query returns.
        carriers: how many of the carrier's first results the query still returns.
        retrieves: whether at least half of the private photo's first results are shared, and more than by chance.
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
    """A query photo, and what searches with it return. All figures are of the saved file, read again.

    Attributes:
        private: the path of the photo that stays at home.
        carrier: the path of the photo that the query looks like.
        output: the path of the query.
        method: the name of the method.
        encoders: the names of the encoders that it was optimised against.
        budget: in 1/255, for the change before a lossy file format adds its own.
        steps: the number of steps taken.
        seconds: the time from reading to the verdict.
        width: of the query, in pixels.
        height: of the query, in pixels.
        linf: the largest change of a value of the carrier, in 1/255.
        psnr: to the carrier, in dB; None when nothing changed.
        ssim: to the carrier; None when it is too small to have one.
        retrieves: whether every one of `encoders` returns to the query what it returns to the private photo.
        retrieves_unseen: the same for every other encoder; None when there is none.
        gallery: what was searched.
        gallery_photos: the number of photos in it.
        first: the number of results that are compared.
        by_chance: how many results two photos would share on average if they were drawn: first² / gallery_photos.
        per_encoder: what each encoder returns.
        verdict: the result in plain words.
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
    settings: PrivateQueryOptions | None = None,
    *,
    overwrite: bool = False,
    progress: Callable[[int, int], None] | None = None,
    on_error: Callable[[PhotoError], None] | None = None,
) -> PrivateQueryReport:
    """Make a photo that looks like the carrier and retrieves what the private photo would.

    The carrier's location is removed, and the file contains nothing of the private photo's camera data.

    Args:
        private: the photo whose results are wanted; it is only read.
        carrier: the photo that the query shall look like.
        out: the file to write. Its name decides the format; PNG when it names none.
        settings: the options of the method; the defaults when None.
        overwrite: replace an existing file.
        progress: called with (photos read, photos in total) while a gallery is read.
        on_error: called with the error of each gallery photo that cannot be read.

    Raises:
        SettingsError: if the two photos are one, the method takes no target, the output's folder cannot be created, or
            as for `MethodRunner`.
        PhotoError: if a photo cannot be read, or the query cannot be made or saved.
    """
    start, settings = time.perf_counter(), check(settings or PrivateQueryOptions())
    _refuse_what_does_not_fit(private, carrier, settings)
    runner = MethodRunner(settings, targeted=True, progress=progress, on_error=on_error)
    format_ = _format(out, settings)
    wanted, photo = read_photo(private), read_photo(carrier)
    _refuse_what_is_in_the_way(out, private, carrier, overwrite=overwrite)
    judges = searchers(
        runner.judges,
        runner.encoders,
        settings.gallery,
        thresholds=runner.thresholds,
        progress=progress,
        on_error=on_error,
    )
    make_folder(out.parent)
    try:
        saved_as = output_settings(photo, format=format_, quality=settings.quality)
        with torch.inference_mode(mode=False), torch.enable_grad():
            pixels, steps = runner.change(photo, saved_as, [shrink(wanted.pixels[None], settings.grid)[0]])
        data = encode_photo(photo, pixels, format=format_, quality=settings.quality)
        saved = decode_photo(data, out).pixels
        found = compare_results(wanted.pixels, photo.pixels, saved, judges)
        close = fidelity(photo.pixels, saved)
    except PhotoError:
        raise
    except (ValueError, RuntimeError, MemoryError) as error:
        raise photo_error(carrier, error, "made a query") from error
    try:
        write_whole(out, data, overwrite=overwrite)
    except OSError as error:
        raise PhotoError(out, f"cannot be written: {error.strerror or error}") from error
    held = len(judges[0].gallery)
    first = min(FIRST_RESULTS, held)
    few = (f"the gallery holds {held} photos: too few for shared results to mean much",) if held < _FEW else ()
    seen = [entry.retrieves for entry in found if entry.seen]
    unseen = [entry.retrieves for entry in found if not entry.seen]
    return PrivateQueryReport(
        private=str(private),
        carrier=str(carrier),
        output=str(out),
        method=runner.method.name,
        encoders=runner.encoders,
        budget=runner.budget,
        steps=steps,
        seconds=round(time.perf_counter() - start, 3),
        width=saved.shape[2],
        height=saved.shape[1],
        linf=close.linf,
        psnr=close.psnr,
        ssim=close.ssim,
        retrieves=all(seen) if seen else None,
        retrieves_unseen=all(unseen) if unseen else None,
        gallery="reference" if settings.gallery is None else str(settings.gallery),
        gallery_photos=held,
        first=first,
        by_chance=round(first**2 / held, 3),
        per_encoder=found,
        verdict=verdict(found, first),
        notes=(*photo.notes, *few, *(judge.note for judge in judges if judge.note)),
    )


def _refuse_what_does_not_fit(private: Path, carrier: Path, settings: PrivateQueryOptions) -> None:
    """Refuse a carrier that is the private photo, and methods that cannot make a query of a carrier.

    Raises:
        SettingsError: with what to change.
    """
    shown = file_digest(carrier)
    if shown and shown == file_digest(private):
        raise SettingsError(f"{carrier} is the private photo itself; choose a --carrier that may be seen")
    fit = [name for name, method in METHODS.items() if "target" in method.needs and "labels" not in method.needs]
    if settings.method in METHODS and settings.method not in fit:
        raise SettingsError(f"{settings.method} cannot be told what to retrieve; methods that can: {', '.join(fit)}")


def _format(out: Path, settings: PrivateQueryOptions) -> Format:
    """The format of the query: the one asked for, else the one of its name, else PNG, which loses nothing.

    Raises:
        SettingsError: if there is no such format, or the name promises another one.
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
    """Refuse an output that exists, before the work begins.

    Raises:
        PhotoError: if the output is one of the two photos, or exists already.
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
        query: (3, H', W'), as it was read again from its file.
        searchers: the encoders, each with the same gallery photos.
    """
    described = zip(*(describe(searchers, photo) for photo in (private, carrier, query)), strict=True)
    found = []
    for searcher, items in zip(searchers, described, strict=True):
        gallery = searcher.gallery
        wanted, before, after = (set(gallery.search(item, FIRST_RESULTS).indices[0].tolist()) for item in items)
        distance_before, distance_after = (gallery.between(items[0], item)[0] for item in items[1:])
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
    """The result in a plain sentence or two, which always tells seen and unseen encoders apart."""
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
