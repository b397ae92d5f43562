"""Anchor codes: one code that stands for a photo's targets."""

from __future__ import annotations

from dataclasses import replace

import torch
from torch import Tensor

from recessive.codes import sign
from recessive.protection.method import Run, Surrogate, target_outputs


def vote(codes: Tensor) -> Tensor:
    """Component voting: h_k = sign(Σ_i c_ik) of codes (A, m); the code (m,) with the least mean Hamming distance.

    Of an odd number no vote is a tie; a tie gives +1. Bai et al., "Targeted attack for deep hashing based retrieval",
    ECCV 2020, Algorithm 1 and Theorem 1.
    """
    return sign(codes.sum(0))


def anchor_codes(surrogate: Surrogate, run: Run, device: torch.device, voters: int | None) -> Tensor:
    """What each photo's targets agree on through a surrogate: codes of ±1 (N, m).

    Args:
        surrogate: gives logits.
        run: has targets.
        device: of the photos.
        voters: so many of a photo's targets at most, the first ones; None for all.
    """
    if run.targets is not None:
        run = replace(run, targets=[own[:voters] for own in run.targets])
    return torch.stack([vote(sign(outputs)) for outputs in target_outputs(surrogate, run, device)])
