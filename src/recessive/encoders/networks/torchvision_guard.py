"""Make torchvision (and timm, which imports it) importable beside a CPU build of torch.

PyPI's torchvision wheel is built against CUDA libraries. Beside a CPU torch its compiled part does not load, and
`import torchvision` fails because the operators that it describes do not exist. Declaring the two operators is
enough for models; `torchvision.io` and `ops.nms` stay unusable. Call `guard` before anything imports torchvision,
in each process.
"""

from __future__ import annotations

import importlib.util
from pathlib import Path

import torch

_declared: torch.library.Library | None = None  # kept: the operators vanish with it


def guard() -> None:
    """Load torchvision's operators, or declare those that importing it needs."""
    global _declared  # noqa: PLW0603 - one declaration a process
    found = importlib.util.find_spec("torchvision")
    if found is None or found.origin is None or _declared is not None:
        return
    try:
        torch.ops.load_library(Path(found.origin).parent / "_C.so")
    except OSError:
        _declared = torch.library.Library("torchvision", "DEF")
        for operator in ("nms", "qnms"):
            _declared.define(f"{operator}(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
