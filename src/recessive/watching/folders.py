"""The folders of a watch: where photos arrive, where they go when they pass, and where they are held."""

from __future__ import annotations

from itertools import permutations
from pathlib import Path

from recessive.errors import SettingsError


def ready(folder: Path, out: Path, held: Path | None) -> tuple[Path, Path]:
    """Make the folders for photos that pass and for those that are held; a sibling of the first when None.

    Raises:
        SettingsError: one of the three lies in another, or is no folder, or cannot be made.
    """
    if held is None:
        named = out if out.name not in ("", "..") else out.resolve()
        held = named.parent / f"{named.name}-held"
    if not folder.is_dir():
        raise SettingsError(f"{folder}: is not a folder; photos are to arrive there")
    for inner, outer in permutations((folder, out, held), 2):
        if any(_same(outer.resolve(), place) for place in (inner.resolve(), *inner.resolve().parents)):
            raise SettingsError(f"{inner} lies in {outer}; photos arrive, pass and are held in folders that lie apart")
    for place in (out, held):
        try:
            place.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise SettingsError(f"{place} cannot be made: {error.strerror}; choose another folder") from None
    return out, held


def _same(one: Path, other: Path) -> bool:
    return one == other or (one.exists() and other.exists() and one.samefile(other))
