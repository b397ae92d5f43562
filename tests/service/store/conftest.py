"""A folder of the service, and files in it."""

import pytest

from recessive.service.store.storage import Storage


@pytest.fixture
def storage(tmp_path):
    opened = Storage(tmp_path / "service")
    opened.open()
    return opened


@pytest.fixture
def fill(storage):
    """Lays down a job's original, and its results of the claims with these tokens."""

    def make(job, *tokens, original=True):
        if original:
            storage.original(job).write_bytes(b"original")
        for token in tokens:
            (storage.result_folder(job.id, token) / "photo.jpg").write_bytes(b"protected")

    return make
