"""File names: cleaned when they arrive from a client, harmless when they are sent back."""

from __future__ import annotations

import re
import unicodedata
from pathlib import Path
from urllib.parse import quote

from recessive.photos import SUFFIXES, Format, format_of_path

LONGEST_NAME = 200
_LONGEST_SUFFIX = 16
_UNNAMED = "photo"
_RESERVED = str.maketrans(dict.fromkeys('<>:"|?*', "_"))  # refused in names by some systems
_UNSEEN = {"Cc", "Cf", "Cs", "Co", "Cn"}  # controls, text direction, half surrogate pairs, unassigned


def clean_name(name: str) -> str:
    """A client's name of a file, made safe: without folders and invisible characters, not hidden, at most 200 long."""
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
    """The name of a photo saved in a format: its own name with a suffix of that format."""
    promised = format_of_path(Path(name))
    if promised == format_:
        return name
    stem = name if promised is None else Path(name).stem
    return stem + SUFFIXES[format_][0]


def unique_name(name: str, taken: set[str]) -> str:
    """The name, with a number if it is taken in upper or lower case; it is taken afterwards."""
    path, number, chosen = Path(name), 1, name
    while chosen.casefold() in taken:
        number += 1
        chosen = f"{path.stem} ({number}){path.suffix}"
    taken.add(chosen.casefold())
    return chosen


def attachment(name: str) -> str:
    """The header `Content-Disposition` (RFC 6266) that makes browsers save a response under a name."""
    plain = re.sub(r'[^ -~]|["\\%]', "_", name)
    extended = "" if plain == name else f"; filename*=UTF-8''{quote(name, safe='')}"
    return f'attachment; filename="{plain}"{extended}'
