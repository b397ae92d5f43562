"""Whitening of descriptors: learned from matching pairs, or by PCA where there are none.

Sources: Mikolajczyk, Matas, "Improving descriptors for fast tree matching by optimal linear projection", 2007;
Radenović, Tolias, Chum, "Fine-tuning CNN image retrieval with no human annotation", 2018, section 3.4; Jégou, Chum,
"Negative evidences and co-occurrences in image retrieval: the benefit of PCA and whitening", 2012.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn


class Whitening(nn.Module):
    """d = P (v − m) / ‖P (v − m)‖₂; zeros for v = m, which has no direction.

    It is computed in the precision of m and P, and returned in that of v.

    Args:
        mean: m, (D,).
        projection: P, (dim, D).

    Raises:
        ValueError: if shapes do not fit, or values are not finite.
    """

    mean: Tensor
    projection: Tensor

    def __init__(self, mean: Tensor, projection: Tensor) -> None:
        super().__init__()
        if mean.ndim != 1 or projection.ndim != 2 or projection.shape[1] != len(mean):
            shapes = f"{tuple(mean.shape)} and {tuple(projection.shape)}"
            raise ValueError(f"a whitening has a mean (D,) and a projection (dim, D), not {shapes}")
        _check_finite(mean, projection)
        self.register_buffer("mean", mean)
        self.register_buffer("projection", projection)

    @property
    def dim(self) -> int:
        """The length of whitened vectors."""
        return len(self.projection)

    def forward(self, vectors: Tensor) -> Tensor:
        """Vectors (N, D) to whitened ones (N, dim) of unit length."""
        centred = vectors.to(self.mean.dtype) - self.mean
        return F.normalize(centred @ self.projection.T, dim=1).to(vectors.dtype)


def learn_whitening(
    queries: Tensor, positives: Tensor, all_vectors: Tensor, *, dim: int | None = None, ridge: float = 0.0
) -> Whitening:
    """Learn the projection under which matching pairs differ equally in all directions, along the principal axes.

        m = mean_i q_i,  S = mean_i (q_i − p_i)(q_i − p_i)ᵀ = L Lᵀ,  P = Aᵀ L⁻¹,

    with the columns of A the eigenvectors of Σ_x L⁻¹ (x − m)(x − m)ᵀ L⁻ᵀ, largest eigenvalue first. Everything is
    float64, the result included.

    Args:
        queries: q, (M, D).
        positives: p, (M, D): positives[i] matches queries[i].
        all_vectors: x, (N, D), whose principal axes are taken.
        dim: the number of axes that are kept; all D if None.
        ridge: the share of the mean of S's diagonal that is added to the diagonal, so that few pairs are enough; 0 in
            the paper.

    Raises:
        ValueError: if shapes do not fit, values are not finite, `dim` is not in 1 … D, the ridge is negative, or pairs
            are too few or too similar for S to have full rank.
    """
    if queries.ndim != 2 or queries.shape != positives.shape or not len(queries):
        raise ValueError(f"queries and positives are pairs (M, D), not {(*queries.shape,)} and {(*positives.shape,)}")
    pairs, width = queries.shape
    if all_vectors.ndim != 2 or all_vectors.shape[1] != width or not len(all_vectors):
        raise ValueError(f"the vectors to be whitened are (N, {width}) as the pairs are, not {(*all_vectors.shape,)}")
    dim = width if dim is None else dim
    _check_dim(dim, width)
    if not ridge >= 0:
        raise ValueError(f"the ridge must not be negative: {ridge}")
    _check_finite(queries, positives, all_vectors)
    mean = queries.double().mean(dim=0)
    differences = queries.double() - positives.double()
    spread = differences.T @ differences / pairs
    spread.diagonal().add_(ridge * spread.diagonal().mean())
    factor = _cholesky(spread, pairs, ridge)
    whitened = torch.linalg.solve_triangular(factor, (all_vectors.double() - mean).T, upper=False)
    _, axes = torch.linalg.eigh(whitened @ whitened.T)  # smallest first
    kept = axes.flip(1)[:, :dim]
    return Whitening(mean, torch.linalg.solve_triangular(factor.T, kept, upper=True).T.contiguous())


def _cholesky(spread: Tensor, pairs: int, ridge: float) -> Tensor:
    """L of S = L Lᵀ; an error if S has full rank only by rounding."""
    width = len(spread)
    factor: Tensor
    factor, failed = torch.linalg.cholesky_ex(spread)
    left = factor.diagonal().square()  # the part of each direction's spread that those before it do not explain
    lost = left <= 10 * width * torch.finfo(torch.float64).eps * spread.diagonal()
    if (ridge == 0 and pairs < width) or bool(failed) or bool(lost.any()):
        raise ValueError(
            f"{pairs} matching pairs do not differ in all {width} directions: give more pairs, or a ridge such as 0.01"
        )
    return factor


def pca_whitening(vectors: Tensor, dim: int) -> Whitening:
    """Unit variance along the principal axes: m = mean_i x_i, P = Λ^(−1/2) Vᵀ, mean_i (x_i − m)(x_i − m)ᵀ = V Λ Vᵀ.

    The largest variance comes first. Everything is float64, the result included.

    Args:
        vectors: x, (N, D).
        dim: the number of axes that are kept.

    Raises:
        ValueError: if shapes do not fit, values are not finite, `dim` is not in 1 … D, or the vectors vary along fewer
            axes.
    """
    if vectors.ndim != 2 or not len(vectors):
        raise ValueError(f"whitening is learned from vectors (N, D), not {(*vectors.shape,)}")
    count, width = vectors.shape
    _check_dim(dim, width)
    _check_finite(vectors)
    mean = vectors.double().mean(dim=0)
    centred = vectors.double() - mean
    variances, axes = torch.linalg.eigh(centred.T @ centred / count)
    variances, axes = variances.flip(0), axes.flip(1)
    rounding = 10 * width * torch.finfo(torch.float64).eps
    floor = rounding * variances[0] + rounding**2 * mean.square().sum()
    varying = min(int((variances > floor).sum()), count - 1)
    if varying < dim:
        raise ValueError(f"{count} vectors vary along {varying} axes, not {dim}: give more vectors, or a smaller dim")
    return Whitening(mean, (axes[:, :dim] / variances[:dim].sqrt()).T.contiguous())


def _check_dim(dim: int, width: int) -> None:
    if not 1 <= dim <= width:
        raise ValueError(f"1 to {width} of {width} axes can be kept, not {dim}")


def _check_finite(*tensors: Tensor) -> None:
    if not all(bool(tensor.isfinite().all()) for tensor in tensors):
        raise ValueError("whitening takes finite values only")
