"""Photos: read and save them with their colours and camera data; the only room that knows file formats."""

from recessive.errors import PhotoError
from recessive.photos.crop import part_within
from recessive.photos.encode import OutputSettings, encode_photo, output_settings
from recessive.photos.formats import SUFFIXES, Format, format_named, format_of_path
from recessive.photos.head import MEDIA_TYPES, PhotoHead, file_head, photo_head
from recessive.photos.metadata import Metadata
from recessive.photos.photo import Photo
from recessive.photos.read import MAX_PIXELS, decode_photo, read_photo
from recessive.photos.save import save_photo

__all__ = [
    "MAX_PIXELS",
    "MEDIA_TYPES",
    "SUFFIXES",
    "Format",
    "Metadata",
    "OutputSettings",
    "Photo",
    "PhotoError",
    "PhotoHead",
    "decode_photo",
    "encode_photo",
    "file_head",
    "format_named",
    "format_of_path",
    "output_settings",
    "part_within",
    "photo_head",
    "read_photo",
    "save_photo",
]
