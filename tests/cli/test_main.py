"""What all commands share: help, exit statuses, pipes, and a quick start."""

import subprocess
import sys

import pytest

from recessive import __version__

COMMANDS = (
    *("protect", "audit", "private-query", "watch", "serve", "worker", "keys", "index", "search"),
    *("encoders", "methods", "train", "data"),
)
HEAVY = (
    *("torch", "numpy", "PIL", "pydantic", "scipy", "sklearn", "kornia", "matplotlib", "cv2", "faiss"),
    *("fastapi", "uvicorn", "sqlalchemy", "alembic", "httpx2"),
)


def python(code, **options):
    return subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True, **options)


def test_help_is_quick_for_it_imports_nothing_heavy():
    ran = python(
        "import sys, time; from recessive.cli import main; status = main(['--help'])\n"
        f"heavy = [name for name in {HEAVY} if name in sys.modules]\n"
        "print(status, heavy, time.process_time(), file=sys.stderr)"
    )
    status, heavy, seconds = ran.stderr.split(" ", 1)[0], *ran.stderr.strip().split(" ", 1)[1].rsplit(" ", 1)
    assert (status, heavy) == ("0", "[]")
    assert float(seconds) < 1.0
    assert all(command in ran.stdout for command in COMMANDS)


@pytest.mark.parametrize("command", COMMANDS)
def test_each_command_has_help(recessive, command):
    ran = recessive(command, "--help")
    assert (ran.status, ran.stderr) == (0, "")
    assert f"Usage: recessive {command}" in ran.stdout
    assert "--json" in ran.stdout


def test_version(recessive):
    assert recessive("--version") == (0, f"{__version__}\n", "")


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("nosuch",), "audit"),
        (("protect",), "PHOTO"),
        (("audit", "a.jpg"), "PROTECTED"),
        (("private-query", "a.jpg"), "--carrier"),
        (("private-query", "--carrier", "a.jpg"), "PRIVATE"),
        (("protect", "a.jpg", "--nosuch"), "--nosuch"),
        (("protect", "a.jpg", "--norm", "l3"), '"linf", "l2"'),
        (("protect", "a.jpg", "--budget", "much"), "--budget"),
        (("encoders", "a.jpg"), "a.jpg"),
    ],
)
def test_wrong_use_is_status_2_and_said_on_stderr(recessive, arguments, said):
    ran = recessive(*arguments)
    assert (ran.status, ran.stdout) == (2, "")
    assert said in ran.stderr


def test_a_reader_that_has_seen_enough_causes_no_traceback():
    code = "import sys; from recessive.cli import main; sys.stdin.read(); sys.exit(main(['methods', '--json']))"
    with subprocess.Popen(
        [sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as running:
        running.stdout.close()
        running.stdin.close()  # go on: the reader has gone
        assert running.stderr.read() == b""
        assert running.wait() == 141
