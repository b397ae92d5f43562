"""The base class of all transforms."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import ClassVar, Self

from torch import Tensor


class Transform(ABC):
    """Maps photos (N, 3, H, W) in [0, 1] to photos, possibly of another size.

    A transform is a frozen dataclass whose first field is its figure. People write it as its word, a colon and the
    figure, such as jpeg:75.

    Attributes:
        word: the word before the colon.
        number: int or float, which reads the figure.
        bounds: the smallest and the largest figure.
        figure: regular expression of the figure, in the syntax that Python and JavaScript share.
        takes: what the figure is, in words that follow "jpeg takes".
        examples: the usual transforms of this kind, which the service offers.
    """

    word: ClassVar[str]
    number: ClassVar[Callable[[str], float]] = float
    bounds: ClassVar[tuple[float, float]]
    figure: ClassVar[str]
    takes: ClassVar[str]
    examples: ClassVar[tuple[str, ...]]

    def __post_init__(self) -> None:
        figure = next(iter(vars(self).values()))
        if not self.bounds[0] <= figure <= self.bounds[1]:
            raise ValueError(f"{self.word} takes {self.takes}: {figure}")

    @classmethod
    def parse(cls, figure: str) -> Self:
        """Returns the transform with the figure that people write after the colon.

        Raises:
            ValueError: if the figure is not a number or is out of bounds.
        """
        return cls(cls.number(figure))  # type: ignore[call-arg]

    @property
    def name(self) -> str:
        """The text that `parse_transform` reads, such as jpeg:75."""
        return f"{self.word}:{next(iter(vars(self).values())):g}"

    @abstractmethod
    def __call__(self, photos: Tensor) -> Tensor:
        """A differentiable approximation of the real operation."""

    @abstractmethod
    def real(self, photos: Tensor) -> Tensor:
        """The real operation with 8 bits per channel, without a gradient."""
