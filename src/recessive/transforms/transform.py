"""The interface of all transforms."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import ClassVar, Self

from torch import Tensor


class Transform(ABC):
    """Maps photos (N, 3, H, W) to photos, possibly of another size.

    People write a transform as its word, a colon and a figure, such as jpeg:75.

    Attributes:
        word: the word before the colon.
        figure: regular expression of the figure, in the syntax that Python and JavaScript share.
        takes: what the figure is, in words that follow "jpeg takes".
        examples: the usual ones, which the service offers.
    """

    word: ClassVar[str]
    figure: ClassVar[str]
    takes: ClassVar[str]
    examples: ClassVar[tuple[str, ...]]

    @classmethod
    @abstractmethod
    def parse(cls, figure: str) -> Self:
        """The transform with the figure that people write after the colon.

        Raises:
            ValueError: if the figure is no number or is out of range.
        """

    @property
    @abstractmethod
    def name(self) -> str:
        """The text that `parse_transform` reads, such as jpeg:75."""

    @abstractmethod
    def __call__(self, photos: Tensor) -> Tensor:
        """A differentiable approximation of the real operation."""

    @abstractmethod
    def real(self, photos: Tensor) -> Tensor:
        """The real operation with 8 bits per channel, without a gradient."""

    @classmethod
    def _require(cls, value: float, *, valid: bool) -> None:
        if not valid:
            raise ValueError(f"{cls.word} takes {cls.takes}: {value}")
