"""What decoders (Pillow, pillow-heif) say of broken files: exceptions, warnings, standard error."""

import os
import struct
import threading
import warnings
import zlib
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

from PIL import Image

DECODER_ERRORS = (
    *(OSError, EOFError, SyntaxError, ValueError, RuntimeError, ArithmeticError, LookupError),
    *(TypeError, AttributeError, AssertionError, struct.error, zlib.error),
)
"""What the decoders raise on broken files, and the Python code that reads headers and EXIF data for them."""

# The filters of `warnings` and the standard error belong to the whole process: one reader at a time.
_LOCK = threading.Lock()
_STANDARD_ERROR = 2


@contextmanager
def decoder_warnings(*, quiet: bool) -> Iterator[list[warnings.WarningMessage]]:
    """Collects what Pillow warns of, but for the number of pixels, which the reader limits itself.

    Args:
        quiet: drop what is written to standard error meanwhile, as libtiff and dav1d do about broken files.
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
    except OSError:  # a process without one has nothing to drop
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
