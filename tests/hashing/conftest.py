"""The tiny training, for tests in this process and for programs that are killed."""

import json
import os
import subprocess
import sys
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path

import pytest
import torch

_FILE = Path(__file__).with_name("tiny.py")
_spec = spec_from_file_location("tiny_training", _FILE)
_tiny = module_from_spec(_spec)
sys.modules["tiny_training"] = _tiny  # so that loaders' processes find its classes
_spec.loader.exec_module(_tiny)


@pytest.fixture
def tiny():
    return _tiny


@pytest.fixture
def program():
    """Starts the tiny training as a program: what it takes is what `run` takes."""

    def start(environment=(), **options):
        return subprocess.Popen(
            [sys.executable, _FILE, json.dumps(options)],
            env={**os.environ, "OMP_NUM_THREADS": "1", **dict(environment)},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    return start


@pytest.fixture(autouse=True)
def one_thread():
    """Sums differ in their last digits with the number of threads; programs are compared with this process."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)
