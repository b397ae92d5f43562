"""Results over HTTP: photo, report, insight, contact sheet, and several photos at once."""

import io
import runpy
import zipfile
from pathlib import Path

import pytest
from PIL import Image

_api = runpy.run_path(str(Path(__file__).with_name("api_client.py")))
encoded, serve, service = (_api[name] for name in ("encoded", "serve", "service"))
REPORT, INSIGHT = _api["REPORT"], _api["INSIGHT"]
RESULTS = ("photo", "report", "insight", "contact-sheet")


def kind(response):
    return response.status_code, response.json()["type"].rpartition(":")[2]


def test_the_photo_comes_back_under_its_own_name(service):
    protected = encoded(seed=7)
    photo = service.get(f"/v1/jobs/{service.done(name='Strand ☀.jpg', content=protected)}/photo")
    assert (photo.status_code, photo.content) == (200, protected)
    assert (photo.headers["content-type"], photo.headers["content-length"]) == ("image/jpeg", str(len(protected)))
    named = "attachment; filename=\"Strand _.jpg\"; filename*=UTF-8''Strand%20%E2%98%80.jpg"
    assert photo.headers["content-disposition"] == named
    assert photo.headers["cache-control"] == "no-store"
    assert photo.headers["x-content-type-options"] == "nosniff"


@pytest.mark.parametrize(
    ("format_", "media_type", "name"),
    [("PNG", "image/png", "a.png"), ("WEBP", "image/webp", "a.webp"), ("TIFF", "image/tiff", "a.tif")],
)
def test_its_media_type_is_that_of_its_content(service, format_, media_type, name):
    job_id = service.done(content=encoded(format_), suffix=".html", name="a.jpg")
    photo = service.get(f"/v1/jobs/{job_id}/photo")
    assert photo.headers["content-type"] == media_type
    assert photo.headers["content-disposition"] == f'attachment; filename="{name}"'


def test_a_result_that_is_no_photo_is_not_served(service):
    job_id = service.done(content=b"<script>alert(1)</script>" * 9)
    assert kind(service.get(f"/v1/jobs/{job_id}/photo")) == (410, "damaged")


@pytest.mark.parametrize(
    "name",
    ["a.html", 'a"; filename="b.html', "a\r\nContent-Type: text/html\r\n\r\n<b>.jpg", "../../a.svg", "a.jpg\0.html"],
)
def test_no_name_changes_what_a_browser_does(service, name):
    photo = service.get(f"/v1/jobs/{service.done(name=name)}/photo")
    assert photo.headers["content-type"] == "image/jpeg"
    disposition = photo.headers.get_list("content-disposition")
    assert len(disposition) == 1
    assert disposition[0].startswith('attachment; filename="')
    assert disposition[0].count('"') == 2
    assert ".jpg" in disposition[0].rpartition("html")[2]
    assert not set(disposition[0]) & set("/\\\r\n\0<")


def test_what_is_known_of_the_photo(service):
    job_id = service.done(name="a/b.heic")
    assert service.get(f"/v1/jobs/{job_id}/report").json() == REPORT
    assert service.get(f"/v1/jobs/{job_id}/insight").json() == INSIGHT
    sheet = service.get(f"/v1/jobs/{job_id}/contact-sheet")
    assert sheet.headers["content-type"] == "image/png"
    assert Image.open(io.BytesIO(sheet.content)).format == "PNG"
    assert sheet.headers["content-disposition"] == 'attachment; filename="b contact sheet.png"'


@pytest.mark.parametrize("result", RESULTS)
def test_there_is_none_yet_or_never(service, result):
    waiting = service.send().json()["id"]
    assert kind(service.get(f"/v1/jobs/{waiting}/{result}")) == (409, "not-yet")
    service.fail(waiting, "the photo is damaged")
    failed = service.get(f"/v1/jobs/{waiting}/{result}")
    assert kind(failed) == (410, "never")
    assert failed.json()["detail"] == "the job failed: the photo is damaged"
    cancelled = service.send().json()["id"]
    service.client.post(f"/v1/jobs/{cancelled}/cancel")
    assert kind(service.get(f"/v1/jobs/{cancelled}/{result}")) == (410, "never")


@pytest.mark.parametrize("result", ["insight", "contact-sheet"])
def test_what_could_not_be_made(service, result):
    job_id = service.done(insight=None, sheet=None)
    assert service.get(f"/v1/jobs/{job_id}/photo").status_code == 200
    assert service.get(f"/v1/jobs/{job_id}/{result}").status_code == 404


@pytest.mark.parametrize("result", ["photo", "contact-sheet"])
def test_a_file_that_is_deleted_meanwhile(service, result):
    job_id = service.done()
    service.dependencies.storage.remove(service.queue.reader.get(job_id, None))
    assert kind(service.get(f"/v1/jobs/{job_id}/{result}")) == (404, "no-such-job")


def archive(response):
    assert (response.status_code, response.headers["content-type"]) == (200, "application/zip")
    assert response.headers["content-disposition"] == 'attachment; filename="protected-photos.zip"'
    opened = zipfile.ZipFile(io.BytesIO(response.content))
    assert opened.testzip() is None
    return opened


def test_several_photos_at_once(service):
    photos = [encoded(seed=number) for number in range(4)]
    names = ["a.jpg", "A.jpg", "☀/b.jpg", "a.jpg"]
    ids = [service.done(name=name, content=content) for name, content in zip(names, photos, strict=True)]
    zipped = archive(service.get("/v1/photos.zip?" + "&".join(f"job={job_id}" for job_id in [*ids, ids[0]])))
    assert zipped.namelist() == ["a.jpg", "A (2).jpg", "b.jpg", "a (3).jpg"]
    assert [zipped.read(name) for name in zipped.namelist()] == photos
    assert {info.compress_type for info in zipped.infolist()} == {zipfile.ZIP_STORED}


def test_large_photos_come_in_pieces(service):
    large = encoded("PNG") + bytes(1_000_000)
    assert service.get(f"/v1/jobs/{service.done(content=large)}/photo").content == large
    zipped = archive(service.get(f"/v1/photos.zip?job={service.done(content=large, name='b.png')}"))
    assert zipped.read("b.png") == large


def test_what_is_deleted_meanwhile_is_left_out(service):
    kept, gone = service.done(name="kept.jpg"), service.done(name="gone.jpg")
    service.dependencies.storage.remove(service.queue.reader.get(gone, None))
    assert archive(service.get(f"/v1/photos.zip?job={gone}&job={kept}")).namelist() == ["kept.jpg"]


def test_what_no_archive_is_made_of(service):
    done, waiting = service.done(), service.send().json()["id"]
    assert kind(service.get("/v1/photos.zip")) == (422, "invalid-options")
    assert kind(service.get("/v1/photos.zip?" + "&".join(["job=" + done] * 201))) == (422, "invalid-options")
    assert kind(service.get(f"/v1/photos.zip?job={done}&job={'0' * 32}")) == (404, "no-such-job")
    assert kind(service.get(f"/v1/photos.zip?job={done}&job=../etc%00")) == (404, "no-such-job")
    assert kind(service.get(f"/v1/photos.zip?job={done}&job={waiting}")) == (409, "not-yet")
    service.client.post(f"/v1/jobs/{waiting}/cancel")
    assert kind(service.get(f"/v1/photos.zip?job={done}&job={waiting}")) == (410, "never")


@pytest.mark.parametrize("result", [*RESULTS, "events"])
def test_head_is_get_without_the_body(service, result):
    path = f"/v1/jobs/{service.done()}/{result}"
    head, get = service.client.head(path), service.get(path)
    assert (head.status_code, head.content) == (200, b"")
    assert head.headers == get.headers
    assert service.client.head("/v1/jobs/x").content == b""
