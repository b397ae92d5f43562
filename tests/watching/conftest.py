"""A watched folder, a clock that only goes when somebody waits, and photos whose fate is known."""

import runpy
from functools import cache
from pathlib import Path

import pytest

from recessive.options import ProtectOptions
from recessive.watching import watch_photos
from recessive.workflows import Protector

_workflows = runpy.run_path(str(Path(__file__).parents[1] / "workflows" / "conftest.py"))
tiny_encoders, reference = _workflows["tiny_encoders"], _workflows["reference"]
scene, texture, photo, broken = (_workflows[name] for name in ("scene", "texture", "photo", "broken"))

MORE = {"steps": 6, "budget": 16}  # what hides photos of strong contrast, too


@cache
def loaded(settings):
    return Protector(settings)


class Scripted:
    """A clock that only goes when somebody waits, and does things at their time."""

    def __init__(self):
        self.time = 0.0
        self.acts = []

    def at(self, time, act, *arguments):
        self.acts.append((time, act, arguments))
        self.acts.sort(key=lambda act: act[0])

    def now(self):
        return self.time

    def wait(self, seconds, stop):  # noqa: ARG002
        until = self.time + seconds
        while self.acts and self.acts[0][0] <= until:
            time, act, arguments = self.acts.pop(0)
            self.time = max(self.time, time)
            act(*arguments)
        self.time = until


@pytest.fixture
def clock():
    return Scripted()


@pytest.fixture
def incoming(tmp_path):
    folder = tmp_path / "in"
    folder.mkdir(exist_ok=True)
    return folder


@pytest.fixture
def out(tmp_path):
    return tmp_path / "out"


@pytest.fixture
def held(tmp_path):
    return tmp_path / "out-held"


@pytest.fixture
def complaints():
    return []


@pytest.fixture
def watch(incoming, out, clock, complaints):
    """Watches `in` once, or until a time: what became of the photos."""

    def run(until=None, *, folder=incoming, out=out, how=None, **settings):
        protector = loaded(ProtectOptions(**{"encoder": ("tiny-gem",), "steps": 2, **settings}))
        how = {"once": until is None, "stop": lambda: until is not None and clock.time >= until, **(how or {})}
        return list(watch_photos(folder, out, protector, clock=clock, on_message=complaints.append, **how))

    return run


@pytest.fixture
def passing(photo, scene):
    """Makes a photo that passes."""
    return lambda name="a.png", seed=0, **options: photo(name, scene(seed=seed), **options)


@pytest.fixture
def stubborn(photo, texture):
    """Makes a photo that is found whatever two steps do."""
    return lambda name="hard.png", seed=0, **options: photo(name, texture(seed=seed), **options)


@pytest.fixture
def protections(monkeypatch):
    """The photos whose change was computed."""
    done, change = [], Protector.change

    def counted(self, photo, progress=None):
        done.append(photo.path.name)
        return change(self, photo, progress)

    monkeypatch.setattr(Protector, "change", counted)
    return done


def names(folder):
    """All that lies below a folder, but for what a watch remembers."""
    found = (path.relative_to(folder) for path in folder.rglob("*") if not path.is_dir())
    return sorted(str(path) for path in found if ".recessive" not in path.parts)


def unjudged(held):
    """The photos that wait in the outbox, but for reports."""
    return sorted((held / ".recessive" / "unjudged").glob("*.*g"))


def states(results):
    return [(Path(result.input).name, result.state) for result in results]
