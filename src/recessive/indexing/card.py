"""The card of an index: what made it."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from recessive.galleries.index_file import IndexFile, IndexFileError
from recessive.searchers.settings import EncoderSettings


@dataclass(frozen=True)
class IndexCard:
    """What made an index, and when.

    Attributes:
        settings: of the encoder.
        digest: of the encoder: whatever has the same describes alike.
        folder: absolute path of the folder that was indexed.
        photos: how many the index holds.
        failed: how many could not be read or described.
        without_features: how many of `photos` have no local features; 0 where an encoder needs none.
        made: when, in UTC.
        recessive: version that made it.
    """

    settings: EncoderSettings
    digest: str
    folder: str
    photos: int
    failed: int
    without_features: int
    made: str
    recessive: str

    def to_json(self) -> dict[str, Any]:
        """As it is stored."""
        return {**asdict(self), "settings": self.settings.to_json()}

    @classmethod
    def of(cls, path: Path, index: IndexFile) -> IndexCard:
        """The card of an index that was read from a path.

        Raises:
            IndexFileError: it is not complete.
        """
        try:
            card = {name: index.card[name] for name in cls.__dataclass_fields__}
            return cls(**{**card, "settings": EncoderSettings.of_json(card["settings"])})
        except (LookupError, TypeError) as error:
            raise IndexFileError(f"{path}: is damaged: its card is not complete ({error})") from error
