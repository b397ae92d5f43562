"""The documents agree with the project: rooms, names, constants, links and examples."""

import re
import runpy
import tomllib
from pathlib import Path

import pytest

from recessive.datasets import DATASETS, FOLDER_PROTOCOLS
from recessive.hashing import LOSSES
from recessive.protection.methods import METHODS, Vanish, vanish

ROOT = Path(__file__).parents[1]
ROOMS = ROOT / "src" / "recessive"
DESIGN = (ROOT / "docs" / "design.md").read_text(encoding="utf-8")
VANISH = (ROOT / "docs" / "vanish.md").read_text(encoding="utf-8")
DOCUMENTS = sorted(path for pattern in ("*.md", "docs/**/*.md", "src/**/*.md") for path in ROOT.glob(pattern))
EXAMPLES = re.findall(r"^```python\n(.*?)^```", DESIGN, re.MULTILINE | re.DOTALL)
FENCED = re.compile(r"^```.*?^```", re.MULTILINE | re.DOTALL)


def layered_rooms() -> dict[str, bool]:
    """The rooms of the layers contract, and whether each is optional."""
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    contracts = settings["tool"]["importlinter"]["contracts"]
    layers = next(contract["layers"] for contract in contracts if contract.get("containers") == ["recessive"])
    rooms = [room.strip() for layer in layers for room in layer.split("|")]
    return {room.strip("()"): room.startswith("(") for room in rooms}


def section(title: str) -> str:
    """The part of the design under a heading of the second level."""
    return DESIGN.split(f"\n## {title}\n")[1].split("\n## ")[0]


def anchors(text: str) -> set[str]:
    """What GitHub makes of the headings."""
    headings = re.findall(r"^#+ (.+)$", FENCED.sub("", text), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize(("room", "optional"), layered_rooms().items())
def test_each_room_of_the_layers_exists_or_is_to_come(room: str, optional: bool) -> None:
    exists = (ROOMS / room / "__init__.py").is_file() or (ROOMS / f"{room}.py").is_file()
    assert exists or optional
    assert re.search(rf"\b{room}\b", section("Packages"))


def test_the_reference_is_what_the_package_says() -> None:
    """It is generated; `python scripts/reference.py` writes it again."""
    generated = runpy.run_path(str(ROOT / "scripts" / "reference.py"))["page"]()
    assert (ROOT / "docs" / "reference.md").read_text(encoding="utf-8") == generated
    for name in (*METHODS, *LOSSES, *FOLDER_PROTOCOLS):
        assert f"| `{name}` |" in generated
    for data in DATASETS.values():
        assert all(f"| `{data.name}` | `{protocol}` |" in generated for protocol in data.protocols)


def test_the_design_stays_short() -> None:
    assert len(DESIGN.encode()) <= 12 * 1024


def test_the_constants_of_vanish_are_those_of_the_code() -> None:
    ours = vars(vanish) | vars(Vanish())
    written = re.findall(r"^\| `(\w+)` \| ([\d.]+) \|", VANISH, re.MULTILINE)
    assert len(written) == 18
    assert {name: float(value) for name, value in written} == {name: ours[name] for name, _ in written}


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_relative_links_lead_somewhere(document: Path) -> None:
    text = FENCED.sub("", document.read_text(encoding="utf-8"))
    links = re.findall(r"\]\(([^)\s]+)[^)]*\)", text) + re.findall(r'(?:src|href)="([^"]+)"', text)
    lost = []
    for link in links:
        if re.match(r"[a-z]+:", link):
            continue
        path, _, anchor = link.partition("#")
        target = document.parent / path if path else document
        if not target.exists() or (anchor and anchor not in anchors(target.read_text(encoding="utf-8"))):
            lost.append(link)
    assert lost == []


@pytest.mark.parametrize("example", EXAMPLES)
def test_examples_of_the_design_run(example: str, tmp_path: Path) -> None:
    script = tmp_path / "example.py"
    script.write_text(example, encoding="utf-8")
    runpy.run_path(str(script))
