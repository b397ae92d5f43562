"""What nobody should send: broken photos, and all that schemathesis makes of the API's document."""

import random
import runpy
import struct
import time
import zlib
from pathlib import Path

import pytest
import schemathesis
import schemathesis.specs.openapi.checks  # for their names
from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis import strategies as st
from hypothesis.errors import Unsatisfiable
from schemathesis import GenerationMode
from schemathesis.checks import CHECKS
from schemathesis.core.failures import FailureGroup

from recessive.photos import PhotoError, decode_photo
from recessive.transforms import parse_transform, pattern

_api = runpy.run_path(str(Path(__file__).with_name("api_client.py")))
encoded, serve, service = (_api[name] for name in ("encoded", "serve", "service"))
FORMATS = ("JPEG", "PNG", "WEBP", "TIFF", "AVIF")
UNDESCRIBED = {"encoder", "set", "deliver-to"}  # what fits a method, and what is on the allow-list
EXAMPLES = 12  # of each operation, within its schema and against it


def chunk(kind, content):
    return struct.pack(">I4s", len(content), kind) + content + struct.pack(">I", zlib.crc32(kind + content))


def png(width, height, *chunks):
    header = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + header + b"".join(chunks) + chunk(b"IEND", b"")


def directories(count):
    """A TIFF whose directories lead back to the first."""
    one = struct.pack("<HHHII", 1, 254, 4, 1, 0)
    parts = [one + struct.pack("<I", 8 + 18 * ((number + 1) % count)) for number in range(count)]
    return b"II*\0\x08\0\0\0" + b"".join(parts)


BOMB = zlib.compress(bytes(30_000_000), 9)
REFUSED = {
    "a PNG of 60,000 x 60,000 pixels": (png(60_000, 60_000, chunk(b"IDAT", zlib.compress(bytes(100)))), 413),
    "a PNG of 2^31 x 2^31 pixels": (png(2**31 - 1, 2**31 - 1), 413),
    "a PNG of one very long line": (png(2**31 - 1, 1), 413),
    "a PNG without a pixel": (png(0, 10), 422),
    "a TIFF that leads back to itself": (directories(1) + bytes(100), 422),
    "a TIFF whose directories are a ring": (directories(100), 422),
    "a TIFF that points beyond its end": (b"II*\0\xff\xff\xff\x7f" + bytes(100), 422),
    "a JPEG of nothing but segments": (b"\xff\xd8" + b"\xff\xe1\xff\xff" + bytes(65_533) + b"\xff\xd9", 422),
    "a JPEG of empty segments": (b"\xff\xd8" + b"\xff\xe1\0\x02" * 100_000, 422),
    "a WebP of 16,383 x 16,383 pixels": (b"RIFF\0\0\0\0WEBPVP8L\0\0\0\0\x2f\xff\xff\xff\x0f" + bytes(90), 413),
    "a HEIC in which nothing is found": (b"\0\0\0\x18ftypheic\0\0\0\0mif1heic" + bytes(200), 422),
    "a GIF": (b"GIF89a" + bytes(100), 415),
    "a vector drawing": (b'<svg xmlns="http://www.w3.org/2000/svg"><script>alert(1)</script></svg>' * 2, 415),
    "an archive": (b"PK\x03\x04" + bytes(100), 415),
    "a PDF": (b"%PDF-1.7\n" + bytes(100), 415),
    "a page": (b"<!doctype html><script>alert(1)</script>" * 3, 415),
    "zeros": (bytes(1000), 415),
    "one byte": (b"\xff", 415),
}
MOST_SECONDS = 0.5
LEFT_TO_THE_WORKER = {
    "a PNG with a text of 30 megabytes": png(10, 10, chunk(b"zTXt", b"a\0\0" + BOMB)),
    "a PNG with 300 such texts": png(10, 10, *[chunk(b"zTXt", b"a\0\0" + BOMB)] * 300),
    "a PNG with such a profile": png(10, 10, chunk(b"iCCP", b"a\0\0" + BOMB)),
    "a PNG whose pixels are too many": png(10, 10, chunk(b"IDAT", BOMB)),
    "a PNG with a bad checksum": encoded("PNG").replace(b"IDAT", b"IDAT\0", 1),
    "a page that is a photo, too": encoded("JPEG") + b"<!doctype html><script>alert(1)</script>",
    "an archive that is a photo, too": encoded("JPEG") + b"PK\x05\x06" + bytes(18),
}


def judged(service, content, name="a.jpg"):
    """Send it: its status, once all that must hold does."""
    status, seconds = _judged(service, content, name)
    if seconds > MOST_SECONDS:  # of this process, in which garbage may have been collected just then
        status, seconds = _judged(service, content, name)
    assert seconds < MOST_SECONDS
    return status


def _judged(service, content, name):
    before = service.files()
    start = time.process_time()
    answered = service.send(content, name)
    seconds = time.process_time() - start
    assert answered.status_code in (202, 413, 415, 422)
    if answered.status_code == 202:
        assert service.client.delete(answered.headers["location"]).status_code == 204
    else:
        assert answered.headers["content-type"] == "application/problem+json"
        assert "photo" in answered.json()["detail"]
    assert service.files() == before
    return answered.status_code, seconds


@pytest.mark.parametrize("name", REFUSED)
def test_what_is_no_photo_is_refused(service, name):
    content, status = REFUSED[name]
    assert judged(service, content) == status


@pytest.mark.parametrize("name", LEFT_TO_THE_WORKER)
def test_what_only_decoding_tells_costs_the_server_nothing(service, name):
    assert judged(service, LEFT_TO_THE_WORKER[name]) == 202


@pytest.mark.parametrize("format_", FORMATS)
def test_damaged_photos(service, format_):
    """Cut short, torn out, turned round, and continued with another: never a fault, never a file left."""
    chance, whole = random.Random(format_), encoded(format_)  # noqa: S311 - nothing secret
    seen = set()
    for _ in range(40):
        damaged, at = bytearray(whole), chance.randrange(len(whole))
        kind = chance.randrange(4)
        if kind == 0:
            del damaged[at:]
        elif kind == 1:
            del damaged[at // 8 : at // 8 + chance.randrange(1, 40)]
        elif kind == 2:
            for _ in range(chance.randrange(1, 30)):
                damaged[chance.randrange(min(200, len(whole)))] ^= 1 << chance.randrange(8)
        else:
            damaged[at:] = encoded(chance.choice(FORMATS))[at:]
        seen.add(judged(service, bytes(damaged)))
    assert {202, 422} <= seen or format_ == "TIFF"


@pytest.mark.parametrize(
    "name", ["x" * 3000, "a\0b", "../" * 50 + "etc/passwd", "\U0001f4f7" * 900, "\u202e\u2066", '"\r\n']
)
def test_names_that_nobody_has(service, name):
    assert judged(service, encoded(), name) == 202


def test_many_refused_photos_leave_no_trace(service):
    """No file, no job, no thread, no connection to the database that stays taken."""
    contents = [content for content, _ in REFUSED.values() if len(content) < 10_000]
    for number in range(150):
        judged(service, contents[number % len(contents)])
    assert service.queue.reader.list(None, 1) == []
    assert service.queue.database.engine.pool.checkedout() == 0


@given(st.from_regex(pattern(), fullmatch=True))
def test_the_document_says_no_more_than_the_service_takes(text):
    assert parse_transform(text).name.partition(":")[0] == text.partition(":")[0]


@pytest.fixture
def described(serve):
    """The service's own document, with photos for its binary fields, and a service that has one job of each kind."""
    schemathesis.openapi.format("binary", st.sampled_from([encoded(format_) for format_ in FORMATS]))
    service = serve(name=("testserver",), queue=100_000)
    service.done()
    service.fail(service.send().json()["id"])
    service.client.post(f"/v1/jobs/{service.send().json()['id']}/cancel")
    yield service, schemathesis.openapi.from_asgi("/openapi.json", service.app)
    schemathesis.openapi.format("binary", st.binary())


def clash(response):
    """Whether it is refused for what a schema cannot say: a failed job, options that do not fit, a key used before."""
    if response.status_code != 422:
        return response.status_code == 410
    problem = response.json()
    return problem["type"].endswith(":idempotency-key-reused") or (
        {error["option"] for error in problem["errors"]} <= UNDESCRIBED
    )


def conforms(case, response, checks):
    """What is wrong with a response; options that do not fit each other are not in the document's power."""
    wrong = []
    for check in checks:
        try:
            case.validate_response(response, checks=[check])
        except FailureGroup as failures:
            if check.__name__ != "positive_data_acceptance" or not clash(response):
                wrong.append((check.__name__, case.as_curl_command(), str(failures)))
    return wrong


@pytest.mark.filterwarnings("ignore:Do not use the `random` module:hypothesis.errors.HypothesisDeprecationWarning")
def test_the_service_is_as_its_document_says(described):
    service, schema = described
    checks = CHECKS.get_all()
    assert len(checks) > 10
    settled = service.queue.reader.list(None, 3)
    statuses, asked = set(), set()
    for operation in (found.ok() for found in schema.get_all_operations()):
        for mode in (GenerationMode.POSITIVE, GenerationMode.NEGATIVE):

            @seed(6)
            @settings(
                max_examples=EXAMPLES,
                phases=[Phase.generate],
                database=None,
                suppress_health_check=list(HealthCheck),
            )
            @given(
                case=operation.as_strategy(generation_mode=mode),
                job=st.sampled_from([*settled, None]),
            )
            def ask(case, job):
                if job is not None and case.path_parameters and case.operation.method.upper() == "GET":
                    case.path_parameters["job_id"] = job.id
                response = case.call()
                statuses.add(response.status_code)
                asked.add((case.operation.label, response.status_code))
                assert conforms(case, response, checks) == []

            try:
                ask()
            except Unsatisfiable:  # nothing can be wrong with a request that has no parameters
                assert mode == GenerationMode.NEGATIVE
    assert {200, 202, 404, 410, 422} <= statuses
    assert len({label for label, _ in asked}) == 16
    assert not [status for status in statuses if status >= 500]


@pytest.mark.parametrize("name", [name for name, (_, status) in REFUSED.items() if status != 413])
def test_decoders_refuse_what_is_refused_here(name):
    with pytest.raises(PhotoError):
        decode_photo(REFUSED[name][0])
