"""Terms that several losses share: the likelihood of pairs, a classifier's cross-entropy, and codes for classes."""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
import torch.nn.functional as F
from scipy.linalg import hadamard
from torch import Tensor, nn

from recessive.class_labels import relevant
from recessive.codes import hamming
from recessive.hashing.settings import TrainingError

PAIR_SCALE = 10.0  # θ = PAIR_SCALE / bits · h_i·h_j, so that θ lies within ±10 with any number of bits
BLOCK = 1024  # label combinations that are compared at once
CANDIDATES = 256  # random codes of which the farthest from the others becomes the next centre
SEARCHED = 2048  # classes up to which this search is worthwhile: its time grows with their square
SPARE = 4  # balanced codes are drawn only if there are so many times as many of them as classes


def pair_loss(theta: Tensor, similar: Tensor) -> Tensor:
    """−log p(s | θ) of each pair, with p(s = 1 | θ) = σ(θ):  log(1 + e^θ) − s θ = softplus(−θ if s = 1 else θ).

    The right-hand side neither overflows nor cancels at large |θ|.

    Args:
        theta: θ, of any shape.
        similar: s, bool, of the same shape.
    """
    return F.softplus(torch.where(similar, -theta, theta))


def similar_weight(labels: Tensor) -> float:
    """W = |S| / |S₁|: the number of all pairs of training photos over that of similar ones.

    Each photo also forms a pair with itself. With K classes of equal size, W = K.

    Args:
        labels: the labels of the training photos, (N,) int64 or (N, L) bool.
    """
    kinds, counts = torch.unique(labels, dim=0, return_counts=True)
    counts = counts.double()
    if labels.ndim == 1:
        similar = float(counts.square().sum())
    else:
        blocks = zip(kinds.split(BLOCK), counts.split(BLOCK), strict=True)
        similar = sum(float(some @ (relevant(block, kinds).double() @ counts)) for block, some in blocks)
    return len(labels) ** 2 / max(similar, 1.0)


def weighted_pair_loss(codes: Tensor, labels: Tensor, weight: float) -> Tensor:
    """Σ_{i<j} w_ij (log(1 + e^θ_ij) − s_ij θ_ij) / Σ_{i<j} w_ij,  θ_ij = 10/bits · h_i·h_j; 0 if there is no pair.

    Args:
        codes: h, relaxed to [−1, 1]: (N, bits).
        labels: (N,) int64 or (N, L) bool.
        weight: w of a similar pair; that of a dissimilar one is 1.
    """
    theta = PAIR_SCALE / codes.shape[1] * (codes @ codes.T)
    similar = relevant(labels, labels)
    weights = (1 + (weight - 1) * similar.to(theta.dtype)).triu(1)
    return (weights * pair_loss(theta, similar)).sum() / weights.sum().clamp(min=1.0)


def make_classifier(bits: int, classes: int, *, bias: bool, seed: int) -> nn.Linear:
    """Make a linear layer with weights uniform in ±1/√bits, as torch initialises them, but from a seed of its own."""
    layer: nn.Linear = torch.nn.utils.skip_init(nn.Linear, bits, classes, bias=bias)
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for parameter in layer.parameters():
            parameter.uniform_(-(bits**-0.5), bits**-0.5, generator=generator)
    return layer


def classification_loss(scores: Tensor, labels: Tensor) -> Tensor:
    """The softmax cross-entropy, or with several labels the sum of binary cross-entropies, as a mean over photos.

    The sum over labels, unlike a mean, keeps the gradient that a label sends into the code independent of their number.

    Args:
        scores: (N, classes).
        labels: (N,) int64, or (N, classes) bool.
    """
    if labels.ndim == 1:
        return F.cross_entropy(scores, labels)
    return F.binary_cross_entropy_with_logits(scores, labels.to(scores.dtype), reduction="sum") / len(scores)


def random_codes(classes: int, bits: int, seed: int) -> Tensor:
    """Draw one random code of ±1 per class, all different: (classes, bits), float32.

    Raises:
        TrainingError: if there are fewer codes than classes.
    """
    generator = _generator(classes, bits, seed)
    return _distinct(classes, lambda count: _bernoulli(count, bits, generator))


def hash_centres(classes: int, bits: int, seed: int) -> Tensor:
    """Choose one code of ±1 per class, far apart: (classes, bits), float32.

    If the number of bits is a power of two and there are at most twice as many classes, the codes are rows of [H; −H]
    with the Hadamard matrix H: any two differ in half of the bits or in all. Otherwise they are random balanced codes,
    each chosen far from those before it; if there are too few balanced codes, random codes. All are different.

    Raises:
        TrainingError: if there are fewer codes than classes.
    """
    generator = _generator(classes, bits, seed)
    if bits & (bits - 1) == 0 and classes <= 2 * bits:
        return _hadamard_rows(classes, bits, generator)
    code = _balanced if math.comb(bits, bits // 2) >= SPARE * classes else _bernoulli
    choose = _far_apart if classes <= SEARCHED else _distinct
    return choose(classes, lambda count: code(count, bits, generator))


def _generator(classes: int, bits: int, seed: int) -> torch.Generator:
    if classes > 2**bits:
        raise TrainingError(f"{bits} bits cannot distinguish {classes} classes; use more bits")
    return torch.Generator().manual_seed(seed)


def _bernoulli(count: int, bits: int, generator: torch.Generator) -> Tensor:
    """Codes of ±1 (count, bits), each bit +1 with probability ½."""
    return 2.0 * torch.randint(2, (count, bits), generator=generator) - 1


def _balanced(count: int, bits: int, generator: torch.Generator) -> Tensor:
    """Codes of ±1 (count, bits) with +1 in ⌊bits/2⌋ random places."""
    places = torch.rand(count, bits, generator=generator).argsort(dim=1)
    return torch.where(places < bits // 2, 1.0, -1.0)


def _distinct(count: int, draw: Callable[[int], Tensor]) -> Tensor:
    """The first `count` different codes drawn."""
    found: dict[tuple[float, ...], None] = {}
    while len(found) < count:
        found.update(dict.fromkeys(map(tuple, draw(count).tolist())))
    return torch.tensor(list(found)[:count])


def _far_apart(count: int, draw: Callable[[int], Tensor]) -> Tensor:
    """Codes chosen one by one: each is the candidate whose nearest chosen code is farthest; all are different."""
    chosen = draw(1)
    while len(chosen) < count:
        candidates = draw(CANDIDATES)
        nearest = hamming(candidates, chosen).amin(dim=1)
        best = int(nearest.argmax())
        if nearest[best] > 0:
            chosen = torch.cat([chosen, candidates[best : best + 1]])
    return chosen


def _hadamard_rows(count: int, bits: int, generator: torch.Generator) -> Tensor:
    """Rows of [H; −H] in random order; no row comes with its negative until all of H is used up."""
    rows = torch.from_numpy(hadamard(bits)).float()[torch.randperm(bits, generator=generator)]
    rows = rows * _bernoulli(bits, 1, generator)
    return torch.cat([rows, -rows])[:count]
