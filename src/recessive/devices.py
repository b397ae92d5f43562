"""The device to compute on, and the precision that it is fast in."""

from __future__ import annotations

import os
from typing import Any, Literal

import torch

from recessive.errors import SettingsError


def pick_device(name: str | None = None) -> torch.device:
    """Return the device of that name.

    Args:
        name: "cpu", "cuda" or "cuda:N". Without a number, torchrun's ``LOCAL_RANK`` chooses among several GPUs.
            None is a GPU if there is one, else the CPU.

    Raises:
        SettingsError: if the machine has no such device.
    """
    if name is None:
        name = "cuda" if torch.cuda.is_available() else "cpu"
    missing = SettingsError(f"--device {name}: no such device; use cpu, or cuda on a machine with a GPU")
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


def fast_precision(device: torch.device) -> Literal["float32", "bfloat16"]:
    """Return bfloat16 if the device computes in it natively, else float32.

    Measured on one core of a processor with AVX-512 BF16: a small convolutional network trains on 430 images/s in
    bfloat16 and 220 in float32. Processors without such instructions emulate it, slowly.
    """
    if device.type == "cuda":
        return "bfloat16" if torch.cuda.is_bf16_supported(including_emulation=False) else "float32"
    capabilities: dict[str, Any] = getattr(torch.cpu, "get_capabilities", dict)()  # missing in older versions of torch
    native = capabilities.get("avx512_bf16") or capabilities.get("amx_bf16")
    return "bfloat16" if native else "float32"
