"""HEIC files, through the optional pillow-heif."""

from importlib import import_module
from pathlib import Path
from types import ModuleType

from recessive.errors import PhotoError


def heif_library(path: Path) -> ModuleType:
    """Imports pillow-heif, late, because it is an extra.

    Raises:
        PhotoError: it is not installed; the message names the command that installs it.
    """
    try:
        module = import_module("pillow_heif")
    except ImportError:
        raise PhotoError(path, 'HEIC photos need an extra: pip install "recessive[heif]"') from None
    return module
