"""Weights from files, and whether they are those of a network: one clear error where they are not."""

from __future__ import annotations

import pickle
from collections.abc import Mapping, Sequence
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor, nn

from recessive.encoders.encoder import EncoderError

COUNTER = "num_batches_tracked"  # of batch normalisation; says nothing once trained

UNREADABLE = (SafetensorError, pickle.UnpicklingError, RuntimeError, EOFError, ValueError, KeyError, OSError)
"""What reading a damaged file of weights raises."""


def read_weights(path: Path) -> dict[str, Tensor]:
    """The tensors of a safetensors file, or of a state dict that torch saved (.pth, .pt), by name.

    Raises:
        EncoderError: the file is missing, damaged, or holds anything but tensors by name.
    """
    if not path.is_file():
        raise EncoderError(f"{path}: there is no such file of weights")
    try:
        stored = load_file(path) if path.suffix == ".safetensors" else _unpickle(path)
    except UNREADABLE as error:
        raise EncoderError(f"{path}: is damaged, or no file of weights: {first_line(error)}") from error
    if not isinstance(stored, dict) or not all(isinstance(tensor, Tensor) for tensor in stored.values()):
        raise EncoderError(f"{path}: does not hold weights by name; save the network's state_dict()")
    return stored


def _unpickle(path: Path) -> object:
    return torch.load(path, map_location="cpu", weights_only=True)


def fit(network: nn.Module, weights: Mapping[str, Tensor], path: Path, name: str) -> None:
    """Give a network its weights, as float32 or whatever it holds.

    Args:
        network: to be filled.
        weights: by the network's names; counters of batches may be missing.
        path: where the weights come from, for the message.
        name: of the network, for the message.

    Raises:
        EncoderError: weights are missing, unknown, of another shape, or not finite.
    """
    problem = misfit(network.state_dict(), weights)
    if problem is not None:
        raise EncoderError(f"{path}: does not hold the weights of {name}: {problem}")
    network.load_state_dict(weights, strict=False)


def misfit(wanted: Mapping[str, Tensor], weights: Mapping[str, Tensor]) -> str | None:
    """What is wrong with weights, by the names and shapes that a network wants; None when they fit."""
    missing = [key for key in wanted if key not in weights and not key.endswith(COUNTER)]
    if missing:
        return f"missing {few(missing)}"
    unknown = [key for key in weights if key not in wanted]
    if unknown:
        return f"unknown {few(unknown)}"
    for key, tensor in wanted.items():
        if key in weights and weights[key].shape != tensor.shape:
            return f"{key} has shape {tuple(weights[key].shape)}, not {tuple(tensor.shape)}"
    wrong = [key for key, tensor in weights.items() if not bool(torch.isfinite(tensor).all())]
    return f"not finite: {few(wrong)}" if wrong else None


def few(names: Sequence[str]) -> str:
    """The first names of a list that may be long."""
    rest = f" and {len(names) - 3} more" if len(names) > 3 else ""
    return ", ".join(names[:3]) + rest


def first_line(error: Exception) -> str:
    """What an error says, where libraries tell whole stories."""
    return (str(error).strip() or type(error).__name__).splitlines()[0]
