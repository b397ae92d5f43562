"""Where to train, and in which precision."""

from __future__ import annotations

import os
from typing import Any

import torch

from recessive.encoders import Precision
from recessive.hashing.errors import TrainingError


def pick_device(name: str | None = None) -> torch.device:
    """The device by name; without one a GPU where there is one, of several the one of this process.

    Raises:
        TrainingError: there is no such device.
    """
    if name is None:
        name = "cuda" if torch.cuda.is_available() else "cpu"
    missing = TrainingError(f"--device {name}: there is none; use cpu, or cuda where there is a GPU")
    try:
        device = torch.device(name)
    except RuntimeError:
        raise missing from None
    if device.type == "cuda":
        index = int(os.environ.get("LOCAL_RANK", "0")) if device.index is None else device.index
        if not torch.cuda.is_available() or index >= torch.cuda.device_count():
            raise missing
        device = torch.device("cuda", index)
        torch.cuda.set_device(device)
    elif device.type != "cpu":
        raise missing
    return device


def fast_precision(device: torch.device) -> Precision:
    """bfloat16 where the device computes with it, else float32.

    Measured on one core of a processor with AVX-512 BF16: a small convolutional network trains on 430 images/s in
    bfloat16 and 220 in float32. Processors without such instructions only imitate it, slowly.
    """
    if device.type == "cuda":
        return "bfloat16" if torch.cuda.is_bf16_supported(including_emulation=False) else "float32"
    able: dict[str, Any] = getattr(torch.cpu, "get_capabilities", dict)()  # older versions of torch do not tell
    return "bfloat16" if able.get("avx512_bf16") or able.get("amx_bf16") else "float32"
