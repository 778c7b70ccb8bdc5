"""The documentation as a site: it builds strictly, reads as it does in the repository, and needs no network."""

import os
import re
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path

import pytest
from markdown_it import MarkdownIt

COUNTED = frozenset({"h1", "h2", "h3", "ol", "ul", "li", "table", "tr", "td", "pre", "strong"})
LOADING = {"script": "src", "link": "href", "img": "src", "iframe": "src"}


@pytest.fixture(scope="module")
def site(repository: Path) -> Iterator[Path]:
    with tempfile.TemporaryDirectory() as place:
        built = build(repository / "mkdocs.yml", Path(place))
        assert built.returncode == 0, built.stdout + built.stderr
        yield Path(place)


def build(config: Path, place: Path) -> "subprocess.CompletedProcess[str]":
    command = [sys.executable, "-m", "mkdocs", "build", "--config-file", str(config), "--site-dir", str(place)]
    environ = {**os.environ, "NO_MKDOCS_2_WARNING": "1"}
    return subprocess.run(command, env=environ, check=False, capture_output=True, text=True)


class Article(HTMLParser):
    """What a page consists of, and what it loads."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.elements: Counter[str] = Counter()
        self.loaded: list[str] = []
        self._inside = "<article" not in text
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self._inside |= tag == "article"
        if self._inside and tag in COUNTED:
            self.elements[tag] += 1
        if address := dict(attrs).get(LOADING.get(tag, "")):
            self.loaded.append(address)

    def handle_endtag(self, tag: str) -> None:
        self._inside &= tag != "article"


def test_every_page_consists_of_what_it_consists_of_in_the_repository(repository: Path, site: Path) -> None:
    markdown = MarkdownIt("gfm-like", {"linkify": False})
    pages = sorted((repository / "docs").glob("*.md"))

    different = [
        page.name
        for page in pages
        if Article(markdown.render(page.read_text(encoding="utf-8"))).elements
        != Article((site / f"{page.stem}.html").read_text(encoding="utf-8")).elements
    ]

    assert len(pages) > 10
    assert different == [], "indent what belongs to an item of a numbered list by four spaces"


def test_what_the_pages_link_to_in_the_repository_is_on_the_site(repository: Path, site: Path) -> None:
    guide = (site / "writing-an-adapter.html").read_text(encoding="utf-8")
    promises = (site / "what-happens-when.html").read_text(encoding="utf-8")

    assert 'href="repository/examples/adapter-catalogue/index.html"' in guide
    assert 'href="repository/tests/chaos/test_consul_killed.py.html"' in promises
    assert (site / "repository/tests/benchmark/RESULTS.html").is_file()
    assert "cluster_defaults" in (site / "repository/examples/consul.yaml.html").read_text(encoding="utf-8")


def test_no_page_loads_anything_from_elsewhere(site: Path) -> None:
    pages = list(site.rglob("*.html"))

    loaded = {address for page in pages for address in Article(page.read_text(encoding="utf-8")).loaded}

    assert loaded
    assert {address for address in loaded if re.match(r"(https?:)?//", address)} == set()


def test_links_that_lead_nowhere_are_refused(repository: Path, tmp_path: Path) -> None:
    links = ["nowhere.md", "#no-heading", "../examples/nowhere.yaml"]
    (tmp_path / "docs").mkdir()
    (tmp_path / "docs/index.md").write_text("# Here\n\n" + "".join(f"- [there]({link})\n" for link in links))
    config = tmp_path / "mkdocs.yml"
    changed = [
        f"docs_dir: {tmp_path}/docs",
        f"hooks: [{repository}/scripts/pages.py]",
        "plugins: []",
        "nav: [index.md]",
    ]
    config.write_text("\n".join([f"INHERIT: {repository}/mkdocs.yml", *changed]))

    built = build(config, tmp_path / "site")

    assert built.returncode != 0
    assert [link for link in links if f"'{link}'" not in built.stdout + built.stderr] == []


@pytest.mark.parametrize("name", ["README.md", "CHANGELOG.md", "CONTRIBUTING.md", "ARCHITECTURE.md"])
def test_links_of_the_pages_at_the_root_lead_somewhere(repository: Path, name: str) -> None:
    links = re.findall(r"\]\(([\w./-]+)[#)]", (repository / name).read_text(encoding="utf-8"))

    assert [link for link in links if not (repository / link).exists()] == []


def test_every_piece_of_code_of_the_guide_is_one_of_the_example(repository: Path) -> None:
    guide = (repository / "docs/writing-an-adapter.md").read_text(encoding="utf-8")
    example = repository / "examples/adapter-catalogue"
    code = [path.read_text(encoding="utf-8") for path in example.rglob("*.*") if path.suffix in (".py", ".toml")]

    pieces = [
        piece.strip("\n")
        for block in re.findall(r"```(?:python|toml)\n(.*?)```", guide, re.DOTALL)
        for piece in re.split(r"\n\n\n", block)
    ]

    assert len(pieces) >= 6
    assert [piece for piece in pieces if not any(piece in text for text in code)] == []
