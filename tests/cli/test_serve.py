"""recessive serve and recessive worker: options, and what they say when they cannot begin."""

import json
import subprocess
import sys

import pytest

from recessive.options import ServiceOptions, dump
from recessive.service import serve as service
from recessive.service.work import worker


@pytest.fixture
def given(monkeypatch):
    """The settings that the service is started with; it says that it listens, and ends."""
    seen = []

    def serve(settings, *, ready):
        seen.append(settings)
        ready("http://127.0.0.1:4711")

    monkeypatch.setattr(service, "serve", serve)
    monkeypatch.setattr(worker, "run_worker", seen.append)
    monkeypatch.delenv("RECESSIVE_DATABASE_URL", raising=False)
    return seen


def test_without_options_all_is_as_the_settings_have_it(recessive, given):
    assert recessive("serve") == (0, "http://127.0.0.1:4711\n", "")
    assert recessive("worker") == (0, "", "")
    assert given == [ServiceOptions(), ServiceOptions()]


def test_each_option_has_its_setting(recessive, given, tmp_path):
    options = {
        "--host": "::1",
        "--port": 0,
        "--folder": tmp_path,
        "--database-url": "postgresql://me@here/jobs",
        "--workers": 0,
        "--queue": 7,
        "--max-megabytes": 3,
        "--max-megapixels": 2,
        "--gallery": tmp_path / "gallery",
        "--keep-hours": 1.5,
        "--time-limit": 60,
    }
    several = [
        "--deliver-to",
        "https://a.example/in/",
        "--deliver-to",
        "/srv/out",
        "--name",
        "a.example",
        "--name",
        "b.example",
    ]
    assert recessive("serve", *[word for option in options.items() for word in option], *several).status == 0
    assert given == [
        ServiceOptions(
            host="::1",
            port=0,
            folder=tmp_path,
            database_url="postgresql://me@here/jobs",
            workers=0,
            queue=7,
            max_megabytes=3,
            max_megapixels=2,
            gallery=tmp_path / "gallery",
            keep_hours=1.5,
            time_limit=60,
            deliver_to=("https://a.example/in/", "/srv/out"),
            name=("a.example", "b.example"),
        )
    ]
    assert not [name for name, value in dump(ServiceOptions()).items() if dump(given[0])[name] == value]


def test_a_worker_goes_by_the_options_of_its_service(recessive, given, tmp_path):
    options = ("--folder", tmp_path, "--gallery", tmp_path, "--keep-hours", 2, "--time-limit", 9)
    options = (*options, "--deliver-to", "/srv/out")
    assert recessive("worker", *options).status == recessive("serve", *options).status == 0
    assert given[0] == given[1]


def test_the_database_comes_from_the_environment(recessive, given, monkeypatch):
    monkeypatch.setenv("RECESSIVE_DATABASE_URL", "postgresql://me:secret@here/jobs")
    recessive("serve")
    ran = recessive("worker", "--json")
    assert [settings.database_url for settings in given] == ["postgresql://me:secret@here/jobs"] * 2
    assert json.loads(ran.stdout)["database"] == "postgresql"
    assert "secret" not in ran.stdout


@pytest.mark.usefixtures("given")
def test_as_json(recessive, tmp_path):
    ran = recessive("serve", "--json", "--workers", 3, "--folder", tmp_path)
    assert json.loads(ran.stdout) == {"url": "http://127.0.0.1:4711", "folder": str(tmp_path), "workers": 3}


@pytest.mark.parametrize("command", ["serve", "worker"])
@pytest.mark.parametrize(
    ("options", "said"),
    [
        (("--keep-hours", 0), "--keep-hours: "),
        (("--time-limit", "nan"), "--time-limit: "),
        (("--deliver-to", "ftp://a.example/"), "entry 1 of the allow-list of delivery targets is "),
    ],
)
def test_options_that_make_no_sense_are_said_in_one_line(recessive, command, options, said, tmp_path):
    ran = (
        recessive(command, *options, "--folder", tmp_path, "--port", 0)
        if command == "serve"
        else recessive(command, *options)
    )
    assert (ran.status, ran.stdout) == (2, "")
    assert ran.stderr.startswith(f"recessive: {said}")
    assert ran.stderr.count("\n") == 1


@pytest.mark.parametrize(
    ("option", "value"),
    [("--port", 70_000), ("--workers", -1), ("--queue", 0), ("--max-megabytes", 0), ("--max-megapixels", 0)],
)
def test_options_of_the_server_are_complained_of_under_their_own_names(recessive, option, value):
    ran = recessive("serve", option, value)
    assert (ran.status, ran.stdout) == (2, "")
    assert ran.stderr.startswith(f"recessive: {option}: ")


@pytest.mark.parametrize(
    ("command", "missing"),
    [(("serve",), "uvicorn"), (("worker",), "alembic"), (("keys", "list"), "sqlalchemy")],
)
def test_a_missing_extra_is_one_line(command, missing, tmp_path):
    code = f"import sys; sys.modules[{missing!r}] = None; from recessive.cli import main; sys.exit(main())"
    ran = subprocess.run(
        [sys.executable, "-c", code, *command, "--folder", tmp_path / "service"],
        check=False,
        capture_output=True,
        text=True,
    )
    assert (ran.returncode, ran.stdout) == (2, "")
    assert ran.stderr == f'recessive: {missing} is not installed: pip install "recessive[serve]"\n'
    assert not (tmp_path / "service").exists()


def test_a_folder_belongs_to_one_database(recessive, given):
    for url in ("postgresql://me@here/jobs", "sqlite:///jobs.sqlite3"):
        recessive("serve", "--database-url", url)
        recessive("worker", "--database-url", url)
    folders = [str(settings.folder) for settings in given]
    assert folders == ["recessive-service-postgresql"] * 2 + ["recessive-service"] * 2
