"""The logic of the page that needs no browser, tested by Node.js: one file of tests for each part of it."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

_FOLDER = Path(__file__).with_name("page")


@pytest.fixture(scope="module")
def node():
    """The program of Node.js, 18 or newer."""
    program = shutil.which("node")
    if program is None:
        assert os.environ.get("CI") != "true", "Node.js is not installed: apt-get install nodejs"
        pytest.skip("Node.js is not installed: apt-get install nodejs")
    return program


@pytest.mark.parametrize("name", sorted(path.name for path in _FOLDER.glob("*.test.js")))
def test_javascript(node, name):
    ran = subprocess.run([node, "--test", name], cwd=_FOLDER, capture_output=True, text=True, timeout=60, check=False)
    assert ran.returncode == 0, ran.stdout + ran.stderr
    assert "\n# fail 0" in ran.stdout or "ℹ fail 0" in ran.stdout
