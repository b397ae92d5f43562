"""Photos: reading and saving them with their colours and camera data. Only this package knows file formats.

`read` turns a file into a `Photo`: float RGB in [0, 1] (`colour`), upright, with the transparency, the colour profile
and the camera data that may go back into the file (`photo`). `save` writes pixels with all of that as any format, on
the 8-bit grid, with settings under which a small change survives; `tiff` is our own writer for one of them. Whatever
bytes come in, only a `PhotoError` with one readable sentence comes out.

`formats` holds the names of the formats and what tells them apart, `head` reads the size of an upload that is still
arriving, and `folders` finds the photos below a folder. Start with `photo`, then `read`.
"""

from recessive.errors import PhotoError
from recessive.photos.formats import MEDIA_TYPES, SUFFIXES, Format, format_named, format_of_path
from recessive.photos.head import PhotoHead, file_head, photo_head
from recessive.photos.photo import Metadata, Photo, part_within
from recessive.photos.read import MAX_PIXELS, decode_photo, read_photo
from recessive.photos.save import OutputSettings, encode_photo, output_settings, save_photo

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
