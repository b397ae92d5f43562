"""Work on an index that is not finished: what is described so far lies in a hidden folder beside it.

A process may be killed at any time; the next one that is to make the same index goes on from there.
"""

from __future__ import annotations

import contextlib
import json
import secrets
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from recessive.encoders import EncoderError
from recessive.encoders.features.vocabulary import Vocabulary
from recessive.files import write_whole
from recessive.galleries.index_file import IndexFile, IndexFileError, read_index, write_index

_ASKED, _VOCABULARY, _PARTS = "asked.json", "vocabulary.safetensors", "*.part"
_TEMPORARY = ".*.tmp"  # what a process that was killed while it wrote has left


class Unfinished:
    """The folder of what is described so far. What lies there was asked for in the same way, or is removed.

    Args:
        out: the index that is to be.
        asked: what decides its content, as JSON has it.

    Raises:
        IndexFileError: nothing can be written there.
    """

    def __init__(self, out: Path, asked: Mapping[str, Any]) -> None:
        self.folder = out.with_name(f".{out.name}.partial")
        self._asked = json.dumps(asked, sort_keys=True).encode()
        try:
            if (self.folder / _ASKED).read_bytes() != self._asked:
                self.remove()
        except FileNotFoundError:
            self.remove()
        except OSError as error:
            raise IndexFileError(f"{self.folder} cannot be read: {error.strerror or error}") from error

    def vocabulary(self) -> Vocabulary | None:
        """The visual vocabulary that was trained for it, if that was finished."""
        try:
            return Vocabulary.load(self.folder / _VOCABULARY)
        except EncoderError:
            return None  # missing, or of another version: it is trained again

    def keep_vocabulary(self, vocabulary: Vocabulary) -> None:
        """Keep a vocabulary, which may have taken long to train.

        Raises:
            IndexFileError: it cannot be written.
        """
        try:
            vocabulary.save(self._ready() / _VOCABULARY)
        except OSError as error:
            raise IndexFileError(f"{self.folder} cannot be written: {error.strerror or error}") from error

    def parts(self, digest: str) -> list[IndexFile]:
        """What is described so far by an encoder of that digest; other parts are left alone."""
        found = []
        for path in sorted(self.folder.glob(_PARTS)):
            with contextlib.suppress(IndexFileError):  # damaged: its photos are described again
                part = read_index(path)
                if part.card.get("digest") == digest:
                    found.append(part)
        return found

    def keep(self, part: IndexFile) -> None:
        """Keep some more.

        Raises:
            IndexFileError: it cannot be written.
        """
        write_index(self._ready() / f"{secrets.token_hex(8)}.part", part)

    def remove(self) -> None:
        """Remove what was kept, and the folder unless it holds something else."""
        with contextlib.suppress(OSError):
            for pattern in (_ASKED, _VOCABULARY, _PARTS, _TEMPORARY):
                for path in self.folder.glob(pattern):
                    path.unlink()
            self.folder.rmdir()

    def _ready(self) -> Path:
        """The folder, made where it is missing: another process that made the same index may have removed it."""
        try:
            if not (self.folder / _ASKED).exists():
                self.folder.mkdir(exist_ok=True)
                write_whole(self.folder / _ASKED, self._asked)
        except OSError as error:
            raise IndexFileError(f"{self.folder} cannot be written: {error.strerror or error}") from error
        return self.folder
