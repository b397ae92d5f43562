"""The decoding libraries, Pillow and the optional pillow-heif, and how they report broken files."""

import os
import struct
import threading
import warnings
import zlib
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from importlib import import_module
from pathlib import Path
from types import ModuleType

from PIL import Image

from recessive.errors import PhotoError

DECODER_ERRORS = (
    *(OSError, EOFError, SyntaxError, ValueError, RuntimeError, ArithmeticError, LookupError),
    *(TypeError, AttributeError, AssertionError, struct.error, zlib.error),
)
"""What the decoders, and the Python code that reads headers and EXIF data for them, raise on broken files."""

# The filters of `warnings` and standard error belong to the whole process: one reader at a time.
_LOCK = threading.Lock()
_STANDARD_ERROR = 2


@contextmanager
def decoder_warnings(*, quiet: bool) -> Iterator[list[warnings.WarningMessage]]:
    """Collects Pillow's warnings, except those about the number of pixels, which the reader limits itself.

    Args:
        quiet: discard standard error meanwhile, to which libtiff and dav1d report broken files.
    """
    with _LOCK, warnings.catch_warnings(record=True) as collected, ExitStack() as stack:
        warnings.simplefilter("always")
        warnings.simplefilter("ignore", Image.DecompressionBombWarning)
        if quiet:
            stack.enter_context(_no_standard_error())
        yield collected


@contextmanager
def _no_standard_error() -> Iterator[None]:
    try:
        original = os.dup(_STANDARD_ERROR)
    except OSError:  # a process without standard error
        yield
        return
    sink = os.open(os.devnull, os.O_WRONLY)
    try:
        os.dup2(sink, _STANDARD_ERROR)
        yield
    finally:
        os.dup2(original, _STANDARD_ERROR)
        os.close(original)
        os.close(sink)


def heif_library(path: Path) -> ModuleType:
    """Imports pillow-heif, which is an extra.

    Raises:
        PhotoError: if it is not installed; the message names the command that installs it.
    """
    try:
        return import_module("pillow_heif")
    except ImportError:
        raise PhotoError(path, 'HEIC photos need an extra: pip install "recessive[heif]"') from None
