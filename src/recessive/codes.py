"""Codes: tensors of ±1, one bit per column, and their Hamming distance.

Bits are the signs of an encoder's logits, with sign(0) = +1. Packed codes hold eight bits per byte, the first bit in
the highest place, +1 as 1; a length that is not a multiple of eight is padded with zeros.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor


def sign(logits: Tensor) -> Tensor:
    """Returns codes of ±1 from logits, element by element; sign(0) = +1. No gradient passes."""
    return torch.where(logits >= 0, 1.0, -1.0).to(logits.dtype)


def sign_straight_through(logits: Tensor, clip: float = 1.5) -> Tensor:
    """Returns sign(logits), with the gradient of the identity where |logit| < clip, and none beyond.

    Bengio et al., "Estimating or propagating gradients through stochastic neurons", 2013; with the clip, settled bits
    stay as they are.

    Args:
        logits: logits of any shape.
        clip: |logit| from which a bit passes no gradient.
    """
    zero = torch.where(logits.abs() < clip, logits - logits.detach(), 0.0)  # except for its gradient
    return zero + sign(logits)


def sign_soft_gradient(logits: Tensor) -> Tensor:
    """Returns sign(logits), with the gradient of softsign: ∂ sign(u) / ∂u := ∂ u/(1 + |u|) / ∂u = 1/(1 + |u|)².

    Bits near their turning point move most, and even a settled bit has a gradient.

    Args:
        logits: logits of any shape.
    """
    soft = logits / (1 + logits.abs())
    return soft - soft.detach() + sign(logits)


def hamming(first: Tensor, second: Tensor) -> Tensor:
    """Returns all distances D_ij = ½ (m − a_i·b_j) in bits between codes (N, m) and (M, m): (N, M), differentiable.

    Raises:
        ValueError: if the codes differ in length.
    """
    if first.shape[-1] != second.shape[-1]:
        raise ValueError(f"codes differ in length: {first.shape[-1]} and {second.shape[-1]} bits")
    # int8 products of 128 bits and more would overflow
    dtype = torch.promote_types(torch.promote_types(first.dtype, second.dtype), torch.float32)
    return 0.5 * (first.shape[-1] - first.to(dtype) @ second.to(dtype).T)


def pack(codes: Tensor) -> Tensor:
    """Packs codes of ±1 (N, m) into bytes (N, ⌈m/8⌉), uint8.

    Raises:
        ValueError: if a value is neither +1 nor −1, such as a logit.
    """
    if codes.ndim != 2 or not bool((codes.abs() == 1).all()):
        raise ValueError("codes are rows of ±1; take the sign of logits first")
    return torch.from_numpy(np.packbits(codes.detach().cpu().numpy() > 0, axis=1))


def unpack(packed: Tensor, bits: int) -> Tensor:
    """Unpacks bytes (N, ⌈m/8⌉), uint8, into codes of ±1 (N, m), int8.

    Raises:
        ValueError: if the rows do not hold that many bits.
    """
    if packed.ndim != 2 or packed.shape[1] != (bits + 7) // 8:
        raise ValueError(f"rows of {packed.shape[-1]} bytes do not hold codes of {bits} bits")
    ones = np.unpackbits(packed.numpy(), axis=1, count=bits)
    return torch.from_numpy(ones.astype(np.int8) * 2 - 1)
