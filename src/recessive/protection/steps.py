"""Steps: from a gradient to an update of the photos. Units are those of the photos, [0, 1].

A step keeps its memory in a tuple of tensors whose first dimension is the photo, so that the loop can drop photos that
are done. Updates already point downhill.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass

import torch
from torch import Tensor

from recessive.protection.constants import NotNegative, Share

State = tuple[Tensor, ...]


@dataclass(frozen=True)
class Step(ABC):
    """Turns a gradient into an update."""

    def initial(self, photos: Tensor) -> State:  # noqa: ARG002 - no memory
        """Return the memory before the first step, for photos (N, 3, H, W); none unless a subclass keeps one."""
        return ()

    @abstractmethod
    def __call__(self, gradient: Tensor, state: State, progress: float) -> tuple[Tensor, State]:
        """Gradient (N, 3, H, W) and progress in [0, 1) to an update (N, 3, H, W) and the next memory."""


@dataclass(frozen=True)
class _Momentum(Step):
    """A step with a memory m, which is 0 before the first step.

    Attributes:
        size: the size of a step, or of the first one where steps decay, in 1/255.
        momentum: μ, the share of the memory that a step keeps.
    """

    size: NotNegative
    momentum: Share = 0.9

    def initial(self, photos: Tensor) -> State:
        """m = 0."""
        return (torch.zeros_like(photos),)


def _per_photo(values: Tensor) -> Tensor:
    """(N,) to (N, 1, 1, 1)."""
    return values.view(-1, 1, 1, 1)


def _unit_mean(gradient: Tensor) -> Tensor:
    """g / mean|g|, of each photo."""
    return gradient / _per_photo(gradient.abs().mean(dim=(1, 2, 3)).clamp(min=1e-30))


@dataclass(frozen=True)
class Sign(Step):
    """u = −size/255 · sign(g). Goodfellow et al., "Explaining and harnessing adversarial examples", 2015.

    Attributes:
        size: the size of a step in 1/255.
    """

    size: NotNegative

    def __call__(self, gradient: Tensor, state: State, progress: float) -> tuple[Tensor, State]:  # noqa: ARG002
        """See the class."""
        return -self.size / 255 * gradient.sign(), state


@dataclass(frozen=True)
class MomentumSign(_Momentum):
    """m ← μ m + g / mean|g|;  u = −size/255 · (1 − progress) · sign(m).

    Dong et al., "Boosting adversarial attacks with momentum", 2018, Eq. 6-7, the gradient scaled to unit mean
    absolute value; the linear decay is ours: the last steps refine what the first ones found.
    """

    def __call__(self, gradient: Tensor, state: State, progress: float) -> tuple[Tensor, State]:
        """See the class."""
        memory = self.momentum * state[0] + _unit_mean(gradient)
        return -self.size / 255 * (1 - progress) * memory.sign(), (memory,)


@dataclass(frozen=True)
class L2(_Momentum):
    """m ← μ m + g / mean|g|;  u = −size/255 · (1 − progress) · √D · m / ||m||₂, D values a photo.

    The size is a root-mean-square. The last steps refine what the first ones found.
    """

    momentum: Share = 0.0

    def __call__(self, gradient: Tensor, state: State, progress: float) -> tuple[Tensor, State]:
        """See the class."""
        memory = self.momentum * state[0] + _unit_mean(gradient)
        length = memory.square().mean(dim=(1, 2, 3)).sqrt().clamp(min=1e-30)
        return -self.size / 255 * (1 - progress) * memory / _per_photo(length), (memory,)


@dataclass(frozen=True)
class UnitGradient(Step):
    """u = −length · g / ||g||₂: as long whatever the gradient, and as long at the end as at the start.

    ||u||₂ is the same for every size of photo: `length` 1 is a root-mean-square of 0.66/255 at 224 × 224 pixels, of
    4.6/255 at 32 × 32. Bai et al., "Targeted attack for deep hashing based retrieval", ECCV 2020, released code.

    Attributes:
        length: the Euclidean length of a step in the units of the photos.
    """

    length: NotNegative

    def __call__(self, gradient: Tensor, state: State, progress: float) -> tuple[Tensor, State]:  # noqa: ARG002
        """See the class."""
        smallest = torch.finfo(gradient.dtype).tiny
        largest = gradient.abs().amax(dim=(1, 2, 3)).clamp(min=smallest)
        direction = gradient / _per_photo(largest)  # first, so that no square underflows
        norm = direction.square().sum(dim=(1, 2, 3)).sqrt().clamp(min=smallest)
        return -self.length * direction / _per_photo(norm), state


@dataclass(frozen=True)
class SGD(_Momentum):
    """m ← μ m + g;  u = −size/255 · m: the size is the learning rate."""

    def __call__(self, gradient: Tensor, state: State, progress: float) -> tuple[Tensor, State]:  # noqa: ARG002
        """See the class."""
        memory = self.momentum * state[0] + gradient
        return -self.size / 255 * memory, (memory,)


@dataclass(frozen=True)
class Adam(Step):
    """u = −rate · m̂ / (√v̂ + ε). Kingma, Ba, "Adam", 2015, Algorithm 1.

    Attributes:
        rate: the length of a step, one number per channel.
        betas: the decay of the first and of the second moment.
        eps: ε, which keeps the quotient finite.
    """

    rate: tuple[float, float, float]
    betas: tuple[float, float] = (0.9, 0.999)
    eps: float = 1e-8

    def initial(self, photos: Tensor) -> State:
        """m = v = 0, and the number of steps of each photo, 0."""
        return torch.zeros_like(photos), torch.zeros_like(photos), photos.new_zeros(len(photos))

    def __call__(self, gradient: Tensor, state: State, progress: float) -> tuple[Tensor, State]:  # noqa: ARG002
        """See the class."""
        first, second, taken = state
        taken = taken + 1
        first = self.betas[0] * first + (1 - self.betas[0]) * gradient
        second = self.betas[1] * second + (1 - self.betas[1]) * gradient.square()
        mean = first / _per_photo(1 - self.betas[0] ** taken)
        variance = second / _per_photo(1 - self.betas[1] ** taken)
        rate = gradient.new_tensor(self.rate).view(1, 3, 1, 1)
        return -rate * mean / (variance.sqrt() + self.eps), (first, second, taken)
