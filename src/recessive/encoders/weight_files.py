"""Files of weights: reading them without running code, and loading them into the network that they belong to.

Whatever is wrong with a file is one clear `EncoderError`.
"""

from __future__ import annotations

import pickle
import struct
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor, nn

from recessive.encoders.encoder import EncoderError
from recessive.safe_pickle import TORCH_STAND_INS

UNREADABLE = (
    SafetensorError,
    pickle.UnpicklingError,
    struct.error,
    AssertionError,
    AttributeError,
    EOFError,
    LookupError,
    OSError,
    RuntimeError,
    TypeError,
    ValueError,
)
"""What reading a damaged file of weights raises."""

_COUNTER = "num_batches_tracked"  # of batch normalisation; has no meaning once a network is trained


def read_stored(path: Path) -> Any:  # noqa: ANN401 - whatever was stored
    """Read a safetensors file, or what torch saved: tensors, plain values, and arrays as `safe_pickle.PlainArray`.

    Raises:
        EncoderError: if the file is missing or damaged, or holds anything else.
    """
    if not path.is_file():
        raise EncoderError("there is no such file of weights", path)
    try:
        with path.open("rb") as file:
            is_safetensors = file.read(9)[8:] == b"{"  # a header of JSON, after its length
        if is_safetensors:
            return load_file(path)
        with torch.serialization.safe_globals(TORCH_STAND_INS):
            return torch.load(path, map_location="cpu", weights_only=True)
    except UNREADABLE as error:
        # torch would advise to let the file run its code.
        odd = isinstance(error, pickle.UnpicklingError)
        reason = "it holds more than arrays, numbers and text, or is cut short" if odd else first_line(error)
        raise EncoderError(f"is damaged, or no file of weights: {reason}", path) from error


def read_weights(path: Path) -> dict[str, Tensor]:
    """Read the tensors of a safetensors file, or of a state dict that torch saved (.pth, .pt), by name.

    Raises:
        EncoderError: if the file is missing or damaged, or holds anything but tensors by name.
    """
    return tensors_by_name(read_stored(path), path)


def tensors_by_name(stored: object, path: Path) -> dict[str, Tensor]:
    """What was read from a file, if it is tensors by name.

    Raises:
        EncoderError: if it is anything else.
    """
    if not isinstance(stored, dict) or not all(isinstance(tensor, Tensor) for tensor in stored.values()):
        raise EncoderError("does not hold weights by name; save the network's state_dict()", path)
    return stored


def load_weights(network: nn.Module, weights: Mapping[str, Tensor], path: Path, name: str) -> None:
    """Load weights into a network, in the precision that its own have.

    Args:
        network: the network, which is changed.
        weights: the weights by the network's own names; counters of batches may be missing.
        path: the file that they were read from, for messages.
        name: the name of the network, for messages.

    Raises:
        EncoderError: if weights are missing, unknown, of another shape, or not finite.
    """
    problem = mismatch(network.state_dict(), weights)
    if problem is not None:
        raise EncoderError(f"does not hold the weights of {name}: {problem}", path)
    network.load_state_dict(weights, strict=False)


def mismatch(expected: Mapping[str, Tensor], weights: Mapping[str, Tensor]) -> str | None:
    """Describe what is wrong with weights, by the names and shapes that a network has; None if they fit."""
    missing = [key for key in expected if key not in weights and not key.endswith(_COUNTER)]
    if missing:
        return f"missing {abbreviated(missing)}"
    unknown = [key for key in weights if key not in expected]
    if unknown:
        return f"unknown {abbreviated(unknown)}"
    for key, tensor in expected.items():
        if key in weights and weights[key].shape != tensor.shape:
            return f"{key} has shape {tuple(weights[key].shape)}, not {tuple(tensor.shape)}"
    wrong = [key for key, tensor in weights.items() if not bool(torch.isfinite(tensor).all())]
    return f"not finite: {abbreviated(wrong)}" if wrong else None


def shapes(weights: Mapping[str, Tensor]) -> dict[str, torch.Size]:
    """The names and shapes of weights, without counters: what an architecture is recognised by."""
    return {key: tensor.shape for key, tensor in weights.items() if not key.endswith(_COUNTER)}


def abbreviated(names: Sequence[str]) -> str:
    """The first three names of a list that may be long, and how many more there are."""
    rest = f" and {len(names) - 3} more" if len(names) > 3 else ""
    return ", ".join(names[:3]) + rest


def first_line(error: Exception) -> str:
    """The first line of an error's message; the libraries add whole paragraphs."""
    return (str(error).strip() or type(error).__name__).splitlines()[0]
