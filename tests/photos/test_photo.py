from io import BytesIO

import pytest
import torch
from PIL import ExifTags, Image

from recessive.photos import decode_photo, encode_photo

FORMATS = ["JPEG", "PNG", "WEBP", "TIFF", "AVIF", "HEIF"]
GPS, SHOT = 0x8825, 0x8769


def packet(body: str) -> bytes:
    return (
        '<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">'
        f"<rdf:Description>{body}</rdf:Description></rdf:RDF></x:xmpmeta>"
    ).encode()


RIGHTS = packet("<dc:rights>The owner</dc:rights>")


@pytest.fixture
def photo(scene, as_file, camera_exif, srgb):
    return decode_photo(as_file(scene, "JPEG", exif=camera_exif, icc_profile=srgb, xmp=RIGHTS))


def exif_of(data: bytes) -> Image.Exif:
    exif = Image.Exif()
    exif.load(decode_photo(data).metadata.exif)
    return exif


@pytest.mark.parametrize("format_", FORMATS)
def test_camera_data_is_kept_and_location_is_not(format_, photo, srgb):
    data = encode_photo(photo, photo.pixels, format=format_)
    exif = exif_of(data)
    assert (exif[0x010F], exif[0x0110], exif[0x8298]) == ("Maker", "Model 7", "The owner")
    assert exif[0x0112] == 1
    shot = exif.get_ifd(SHOT)
    assert float(shot[0x829A]) == 0.02
    assert shot[0x9003] == "2025:05:01 10:00:00"
    assert shot[0x9286] == b"ASCII\0\0\0a note"
    assert (shot[0xA002], shot[0xA003]) == (24, 32)  # turned
    assert exif.get_ifd(GPS) == {}
    again = decode_photo(data)
    assert again.metadata.icc == srgb
    assert again.metadata.xmp == RIGHTS
    assert again.pixels.shape == photo.pixels.shape
    assert b"PREVIEW OF THE PHOTO" not in data


@pytest.mark.parametrize("format_", FORMATS)
def test_location_is_kept_when_asked_for(format_, photo):
    place = exif_of(encode_photo(photo, photo.pixels, format=format_, keep_location=True)).get_ifd(GPS)
    assert place[1] == "N"
    assert [float(part) for part in place[2]] == [52.0, 30.0, 1.5]


@pytest.mark.parametrize("format_", FORMATS)
def test_no_coordinate_is_left_in_the_file(format_, scene, as_file, camera_exif):
    marked = camera_exif.get_ifd(GPS)
    marked[0x1B] = b"ASCII\0\0\0the hidden valley"  # the way it was located, any bytes
    photo = decode_photo(as_file(scene, "JPEG", exif=camera_exif))
    assert b"hidden valley" in encode_photo(photo, photo.pixels, format=format_, keep_location=True)
    assert b"hidden valley" not in encode_photo(photo, photo.pixels, format=format_)


def with_thumbnail(scene, as_file) -> bytes:
    """A JPEG file whose EXIF data hold a thumbnail, as every camera writes it."""
    thumbnail = as_file(scene[::2, ::2].copy(), "JPEG")
    first = b"\x01\0" + b"\x0f\x01\x02\0\x04\0\0\0Abc\0"  # one tag: maker
    second_at = 8 + len(first) + 4
    second = b"\x02\0" + b"\x01\x02\x04\0\x01\0\0\0" + (second_at + 30).to_bytes(4, "little")
    second += b"\x02\x02\x04\0\x01\0\0\0" + len(thumbnail).to_bytes(4, "little") + bytes(4)
    block = b"Exif\0\0II*\0\x08\0\0\0" + first + second_at.to_bytes(4, "little") + second + thumbnail
    return as_file(scene, "JPEG", exif=block)


@pytest.mark.parametrize("format_", FORMATS)
def test_thumbnails_of_the_unprotected_photo_are_dropped(format_, scene, as_file):
    data = with_thumbnail(scene, as_file)
    assert Image.open(BytesIO(data)).getexif().get_ifd(ExifTags.IFD.IFD1)  # it is there
    photo = decode_photo(data)
    saved = encode_photo(photo, photo.pixels, format=format_, keep_location=True)
    exif = exif_of(saved)
    assert exif[0x010F] == "Abc"
    assert exif.get_ifd(ExifTags.IFD.IFD1) == {}
    assert b"\xff\xd8\xff" not in saved[3:]


@pytest.mark.parametrize(
    ("body", "default", "with_location"),
    [
        ("<dc:rights>me</dc:rights>", True, True),
        ("<exif:GPSLatitude>52,30.1N</exif:GPSLatitude>", False, True),
        ("<photoshop:City>Berlin</photoshop:City>", False, True),
        ("<Iptc4xmpCore:Location>Mitte</Iptc4xmpCore:Location>", False, True),
        ("<xmp:Thumbnails>AAAA</xmp:Thumbnails>", False, False),
        ("<xmpGImg:image>AAAA</xmpGImg:image>", False, False),
        ("<GImage:Data>AAAA</GImage:Data>", False, False),
        ("<tiff:Orientation>6</tiff:Orientation>", False, False),
    ],
)
def test_xmp_is_kept_unless_it_tells_too_much(body, default, with_location, scene, as_file):
    photo = decode_photo(as_file(scene, "JPEG", xmp=packet(body)))
    for keep_location, kept in ((False, default), (True, with_location)):
        again = decode_photo(encode_photo(photo, photo.pixels, format="PNG", keep_location=keep_location))
        assert again.metadata.xmp == (packet(body) if kept else None)
        assert again.pixels.shape == photo.pixels.shape


def test_xmp_that_cannot_be_read_is_dropped(scene, as_file):
    for xmp in (packet("GPS").decode().encode("utf-16"), b"\xff\xfe\xfa", b"x" * 61_000):
        assert decode_photo(as_file(scene, "WEBP", xmp=xmp)).metadata.xmp is None


def test_orientation_in_xmp_is_applied_once(scene, as_file):
    photo = decode_photo(as_file(scene, "JPEG", xmp=packet("<tiff:Orientation>6</tiff:Orientation>")))
    assert photo.pixels.shape == (3, 32, 24)
    assert decode_photo(encode_photo(photo, photo.pixels)).pixels.shape == (3, 32, 24)


def test_damaged_exif_is_left_out_and_noted(scene, as_file):
    photo = decode_photo(as_file(scene, "JPEG", exif=b"Exif\0\0not a TIFF header"))
    assert photo.metadata.exif is None
    assert "the camera data (EXIF) is damaged and not kept" in photo.notes
    assert decode_photo(encode_photo(photo, photo.pixels)).metadata.exif is None


def test_oversized_exif_is_left_out(scene, as_file, camera_exif):
    camera_exif.get_ifd(SHOT)[0x9286] = bytes(61_000)
    photo = decode_photo(as_file(scene, "PNG", exif=camera_exif))
    assert photo.metadata.exif is None
    assert photo.pixels.shape == (3, 32, 24)  # turned all the same


def test_exif_with_nothing_to_keep_is_left_out(scene, as_file):
    exif = Image.Exif()
    exif[0x8649] = b"Photoshop resources, with a thumbnail"
    photo = decode_photo(as_file(scene, "JPEG", exif=exif))
    assert photo.metadata.exif is None
    assert photo.notes == ()


def test_adobe_rgb_mark_of_cameras_is_kept(scene, as_file, camera_exif):
    camera_exif.get_ifd(SHOT)[0xA005] = {1: "R03"}
    photo = decode_photo(as_file(scene, "JPEG", exif=camera_exif))
    assert exif_of(encode_photo(photo, photo.pixels)).get_ifd(0xA005)[1] == "R03"


def test_photo_without_metadata_gets_none(scene, as_file):
    photo = decode_photo(as_file(scene, "PNG"))
    saved = decode_photo(encode_photo(photo, photo.pixels, format="JPEG"))
    assert (saved.metadata.exif, saved.metadata.xmp, saved.metadata.icc) == (None, None, None)
    assert torch.equal(photo.pixels, decode_photo(encode_photo(photo, photo.pixels)).pixels)
