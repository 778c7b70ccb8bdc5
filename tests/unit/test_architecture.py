"""ARCHITECTURE.md names every file there is, and no other."""

import re
from pathlib import Path

ROOT = Path(__file__).parents[2]


def test_every_source_file_has_its_line_in_the_architecture() -> None:
    text = (ROOT / "ARCHITECTURE.md").read_text()
    listed = re.findall(r"^\| `((?:adapters|bridge|xds)/\S+\.py)` \|", text, re.MULTILINE)
    present = [
        str(path.relative_to(ROOT))
        for package in ("adapters", "bridge", "xds")
        for path in (ROOT / package).rglob("*.py")
    ]

    assert sorted(listed) == sorted(present)
