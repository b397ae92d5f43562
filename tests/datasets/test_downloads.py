import hashlib
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest

from recessive.datasets import DataError, Download
from recessive.datasets.downloads import fetch

CONTENT = bytes(range(256)) * 9_000  # more than two chunks


class Handler(BaseHTTPRequestHandler):
    def do_GET(self):
        if self.path == "/absent":
            self.send_error(404)
            return
        self.send_response(200)
        if self.path != "/unannounced":
            self.send_header("Content-Length", str(len(CONTENT)))
        self.end_headers()
        self.wfile.write(CONTENT[:1_000_000] if self.path == "/cut" else CONTENT)

    def log_message(self, *_):
        pass


@pytest.fixture(scope="module")
def server():
    with HTTPServer(("127.0.0.1", 0), Handler) as running:
        thread = threading.Thread(target=running.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{running.server_port}"
        running.shutdown()
        thread.join()


def download(url, content=CONTENT):
    return Download(url, "set/file.bin", hashlib.sha256(content).hexdigest())


@pytest.mark.parametrize(("path", "total"), [("whole", len(CONTENT)), ("unannounced", 0)])
def test_a_file_is_fetched(server, tmp_path, path, total):
    told = []
    fetch(download(f"{server}/{path}"), tmp_path, lambda *figures: told.append(figures))
    assert [p.name for p in (tmp_path / "set").iterdir()] == ["file.bin"]
    assert (tmp_path / "set" / "file.bin").read_bytes() == CONTENT
    assert told[-1] == (len(CONTENT), total)
    assert [done for done, _ in told] == sorted({done for done, _ in told})


def test_a_file_that_is_there_stays(tmp_path):
    (tmp_path / "set").mkdir()
    (tmp_path / "set" / "file.bin").write_bytes(b"mine")
    fetch(download("http://127.0.0.1:1/refused"), tmp_path)
    assert (tmp_path / "set" / "file.bin").read_bytes() == b"mine"


@pytest.mark.parametrize("path", ["absent", "cut"])
def test_a_failed_download_leaves_nothing(server, tmp_path, path):
    url = f"{server}/{path}"
    with pytest.raises(DataError) as caught:
        fetch(download(url), tmp_path)
    assert "\n" not in str(caught.value)
    assert str(caught.value).startswith(url)
    assert str(caught.value).endswith(f"download it in another way and save it as {tmp_path / 'set' / 'file.bin'}")
    assert list((tmp_path / "set").iterdir()) == []


def test_offline_is_one_clear_line(tmp_path):
    with pytest.raises(DataError, match=r"http://127.0.0.1:1/x cannot be downloaded \(.*\); download it in another"):
        fetch(download("http://127.0.0.1:1/x"), tmp_path)


def test_another_file_is_refused(server, tmp_path):
    with pytest.raises(DataError, match="the downloaded file is not the expected one"):
        fetch(download(f"{server}/whole", b"other"), tmp_path)
    assert list((tmp_path / "set").iterdir()) == []


def test_an_interrupted_download_leaves_nothing(server, tmp_path):
    def interrupt(*_):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fetch(download(f"{server}/whole"), tmp_path, interrupt)
    assert list((tmp_path / "set").iterdir()) == []


def test_a_target_that_cannot_be_written_is_said(server, tmp_path):
    (tmp_path / "set").write_bytes(b"a file where the folder should be")
    with pytest.raises(DataError, match="cannot be downloaded"):
        fetch(download(f"{server}/whole"), tmp_path)
