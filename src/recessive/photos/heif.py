"""HEIC files, through the optional pillow-heif."""

from pathlib import Path
from types import ModuleType

from recessive.photos.errors import PhotoError


def pillow_heif(path: Path) -> ModuleType:
    """Imports pillow-heif, late, because it is an extra.

    Raises:
        PhotoError: it is not installed; the message names the command that installs it.
    """
    try:
        import pillow_heif as module  # noqa: PLC0415
    except ImportError:
        raise PhotoError(path, 'HEIC photos need an extra: pip install "recessive[heif]"') from None
    return module
