"""Fixed codes for classes: what CSQ calls hash centres, and OrthoHash's random codes."""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from scipy.linalg import hadamard
from torch import Tensor

from recessive.codes import hamming
from recessive.hashing.errors import TrainingError

CANDIDATES = 256  # random codes of which the farthest from the others becomes the next centre
SEARCHED = 2048  # classes up to which it is worth the search: the time grows with their square
SPARE = 4  # balanced codes are drawn only where there are so many times as many as classes


def _bernoulli(count: int, bits: int, generator: torch.Generator) -> Tensor:
    """Codes of ±1 (count, bits), each bit +1 with probability ½."""
    return 2.0 * torch.randint(2, (count, bits), generator=generator) - 1


def _balanced(count: int, bits: int, generator: torch.Generator) -> Tensor:
    """Codes of ±1 (count, bits), ⌊bits/2⌋ of each +1, at random places."""
    places = torch.rand(count, bits, generator=generator).argsort(dim=1)
    return torch.where(places < bits // 2, 1.0, -1.0)


def _distinct(count: int, draw: Callable[[int], Tensor]) -> Tensor:
    """The first `count` different codes that are drawn."""
    found: dict[tuple[float, ...], None] = {}
    while len(found) < count:
        found.update(dict.fromkeys(map(tuple, draw(count).tolist())))
    return torch.tensor(list(found)[:count])


def _far_apart(count: int, draw: Callable[[int], Tensor]) -> Tensor:
    """Codes one by one, each time the candidate whose nearest chosen code is farthest; all different."""
    chosen = draw(1)
    while len(chosen) < count:
        candidates = draw(CANDIDATES)
        nearest = hamming(candidates, chosen).amin(dim=1)
        best = int(nearest.argmax())
        if nearest[best] > 0:
            chosen = torch.cat([chosen, candidates[best : best + 1]])
    return chosen


def _hadamard_rows(count: int, bits: int, generator: torch.Generator) -> Tensor:
    """Rows of [H; −H] in random order, no row beside its negative until all of H is used up."""
    rows = torch.from_numpy(hadamard(bits)).float()[torch.randperm(bits, generator=generator)]
    rows = rows * _bernoulli(bits, 1, generator)
    return torch.cat([rows, -rows])[:count]


def _check(classes: int, bits: int) -> None:
    if classes > 2**bits:
        raise TrainingError(f"{bits} bits cannot tell {classes} classes apart: ask for more bits")


def random_codes(classes: int, bits: int, seed: int) -> Tensor:
    """One random code of ±1 a class, all different: (classes, bits), float32.

    Raises:
        TrainingError: there are fewer codes than classes.
    """
    _check(classes, bits)
    generator = torch.Generator().manual_seed(seed)
    return _distinct(classes, lambda count: _bernoulli(count, bits, generator))


def hash_centres(classes: int, bits: int, seed: int) -> Tensor:
    """One code of ±1 a class, far apart: (classes, bits), float32.

    Where bits are a power of two and classes at most twice as many, rows of [H; −H] of the Hadamard matrix H: any two
    differ in half of the bits or in all. Otherwise random balanced codes, each picked far from those before it; where
    there are too few of them, random codes. All are different.

    Raises:
        TrainingError: there are fewer codes than classes.
    """
    _check(classes, bits)
    generator = torch.Generator().manual_seed(seed)
    if bits & (bits - 1) == 0 and classes <= 2 * bits:
        return _hadamard_rows(classes, bits, generator)
    code = _balanced if math.comb(bits, bits // 2) >= SPARE * classes else _bernoulli
    choose = _far_apart if classes <= SEARCHED else _distinct
    return choose(classes, lambda count: code(count, bits, generator))
