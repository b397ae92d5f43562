"""Names of files: cleaned when they come from a client, harmless when they go back."""

from __future__ import annotations

import re
import unicodedata
from pathlib import Path
from urllib.parse import quote

from recessive.photos import SUFFIXES, Format, format_of_path

LONGEST_NAME = 200
_LONGEST_SUFFIX = 16
_UNNAMED = "photo"
_RESERVED = str.maketrans(dict.fromkeys('<>:"|?*', "_"))  # what some systems refuse in names
_UNSEEN = {"Cc", "Cf", "Cs", "Co", "Cn"}  # controls, text direction, halves of pairs, what is no character


def clean_name(name: str) -> str:
    """What a client calls a file, as a name: no folder, nothing invisible, not hidden, at most 200 characters."""
    base = re.split(r"[/\\]", unicodedata.normalize("NFC", name))[-1]
    words = base.translate(_RESERVED).split()
    seen = ("".join(char for char in word if unicodedata.category(char) not in _UNSEEN) for word in words)
    bare = " ".join(filter(None, seen)).lstrip(". ").rstrip(". ")
    if len(bare) > LONGEST_NAME:
        suffix = Path(bare).suffix
        suffix = suffix if len(suffix) <= _LONGEST_SUFFIX else ""
        bare = bare[: LONGEST_NAME - len(suffix)].rstrip(". ") + suffix
    return bare or _UNNAMED


def saved_name(name: str, format_: Format) -> str:
    """The name of a photo that is saved in a format: its own, with a suffix that promises that format."""
    promised = format_of_path(Path(name))
    if promised == format_:
        return name
    stem = name if promised is None else Path(name).stem
    return stem + SUFFIXES[format_][0]


def unique_name(name: str, taken: set[str]) -> str:
    """The same name, with a number if it is taken, in whatever case; then it is."""
    path, number, chosen = Path(name), 1, name
    while chosen.casefold() in taken:
        number += 1
        chosen = f"{path.stem} ({number}){path.suffix}"
    taken.add(chosen.casefold())
    return chosen


def attachment(name: str) -> str:
    """A header `Content-Disposition` (RFC 6266) that has browsers save what they get under a name."""
    plain = re.sub(r'[^ -~]|["\\%]', "_", name)
    extended = "" if plain == name else f"; filename*=UTF-8''{quote(name, safe='')}"
    return f'attachment; filename="{plain}"{extended}'
