"""Names from clients: whatever they send, what comes back is a name and nothing else."""

import re
import unicodedata
from email.message import Message
from urllib.parse import unquote

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from recessive.service.names import LONGEST_NAME, attachment, clean_name, saved_name, unique_name


@pytest.mark.parametrize(
    ("sent", "kept"),
    [
        ("beach.jpg", "beach.jpg"),
        ("Ferien am Meer ☀ 1.jpg", "Ferien am Meer ☀ 1.jpg"),
        ("写真.heic", "写真.heic"),
        ("cafe\u0301.jpg", "café.jpg"),
        ("/etc/passwd", "passwd"),
        ("..\\..\\boot.ini", "boot.ini"),
        ("C:\\photos\\a.jpg", "a.jpg"),
        ("C:a.jpg", "C_a.jpg"),
        ("a.jpg/..", "photo"),
        ("..", "photo"),
        ("", "photo"),
        (" . .htaccess", "htaccess"),
        ("a.jpg. .", "a.jpg"),
        ("a\r\nSet-Cookie: x=1.jpg", "a Set-Cookie_ x=1.jpg"),
        ("a\0b\x1b[31m.jpg", "ab[31m.jpg"),
        ("gpj.\u202egnp", "gpj.gnp"),  # text that runs backwards
        ("a\ud800.jpg", "a.jpg"),
        ('<img src=x onerror="alert(1)">.jpg', "_img src=x onerror=_alert(1)__.jpg"),
        ("a" * 500 + ".jpeg", "a" * 195 + ".jpeg"),
        ("a." + "b" * 500, "a." + "b" * 198),
    ],
)
def test_a_name_is_cleaned(sent, kept):
    assert clean_name(sent) == kept


@given(st.text())
@example("." * 300)
@example("x" * 180 + " " * 40 + ".jpg")
@example("a \u200b b")
def test_whatever_is_sent(sent):
    name = clean_name(sent)
    assert 0 < len(name) <= LONGEST_NAME
    assert name == clean_name(name)
    assert not re.search(r'[/\\<>:"|?*]', name)
    assert name[0] != "."
    assert not any(unicodedata.category(char).startswith(("C", "Zl", "Zp")) for char in name)
    name.encode()


@given(st.text())
@example('"; filename="evil.html')
@example("写真 100%.jpg")
@example("a'b*;c.jpg")
def test_what_browsers_save_it_under(sent):
    name = saved_name(clean_name(sent), "JPEG")
    value = attachment(name)
    assert value.isascii()
    assert value.isprintable()
    header = Message()
    header["Content-Disposition"] = value
    assert header.get_content_disposition() == "attachment"
    extended = re.search(r"; filename\*=UTF-8''([^;]+)$", value)
    assert (unquote(extended[1]) if extended else header.get_filename()) == name
    assert name.lower().endswith((".jpg", ".jpeg", ".jpe", ".jfif"))


@pytest.mark.parametrize(
    ("name", "format_", "saved"),
    [
        ("a.jpg", "JPEG", "a.jpg"),
        ("a.JPEG", "JPEG", "a.JPEG"),
        ("a.heic", "JPEG", "a.jpg"),
        ("a.html", "PNG", "a.html.png"),
        ("photo", "WEBP", "photo.webp"),
        ("v1.2", "TIFF", "v1.2.tif"),
    ],
)
def test_a_suffix_promises_what_the_file_is(name, format_, saved):
    assert saved_name(name, format_) == saved


def test_names_in_one_archive_differ():
    taken = set()
    sent = ["a.jpg", "A.JPG", "a.jpg", "a (2).jpg", "b", "b"]
    assert [unique_name(name, taken) for name in sent] == [
        *("a.jpg", "A (2).JPG", "a (3).jpg", "a (2) (2).jpg", "b", "b (2)")
    ]
