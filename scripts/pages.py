"""Makes pages of the documentation site out of files of the repository that its pages link to; called by mkdocs.

On a page of `docs/` a link such as `../examples/consul.yaml` works wherever the repository is looked at. On the site
there is nothing outside of `docs/`, so every file that is linked to becomes a page of its own.
"""

import posixpath
import re
from collections.abc import Iterator
from pathlib import Path

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files, InclusionLevel
from mkdocs.structure.pages import Page

ROOT = Path(__file__).resolve().parent.parent

PLACE = "repository"
"""Where the pages of such files are on the site."""

_LINK = re.compile(r"(?<=\]\()(?P<target>[\w./-]*[\w/])(?P<rest>#[\w-]+)?(?=[ )])")
_LANGUAGES = {".py": "python", ".toml": "toml", ".yaml": "yaml", ".yml": "yaml", ".json": "json"}


def on_files(files: Files, /, *, config: MkDocsConfig) -> Files:
    """Add a page for every file outside of `docs/` that is linked to, from there or from a page that was added."""
    waiting = [file.src_uri for file in files.documentation_pages()]
    while waiting:
        for path in _linked(waiting.pop(), files):
            if files.get_file_from_path(_page(path)) is None:
                content, level = _content(ROOT / path), InclusionLevel.NOT_IN_NAV
                files.append(File.generated(config, _page(path), content=content, inclusion=level))
                waiting.append(_page(path))
    return files


def on_page_markdown(markdown: str, /, *, page: Page, config: MkDocsConfig, files: Files) -> str:
    """Have links to such files lead to their pages, and links from there back."""
    del config, files
    source = page.file.src_uri

    def led(link: "re.Match[str]") -> str:
        path = _path(source, link["target"])
        if not (ROOT / path).exists():  # mkdocs says that there is no such page
            return link[0]
        return posixpath.relpath(_page(path), posixpath.dirname(source)) + (link["rest"] or "")

    return markdown if _is_code(source) else _LINK.sub(led, markdown)


def _linked(source: str, files: Files) -> Iterator[str]:
    """The files outside of `docs/` that a page links to, by their paths from the root."""
    file = files.get_file_from_path(source)
    if file is None or _is_code(source):
        return
    for link in _LINK.finditer(file.content_string):
        path = _path(source, link["target"])
        if not path.startswith("docs/") and (ROOT / path).exists():
            yield path


def _path(source: str, target: str) -> str:
    """The path from the root of the repository of what a page links to."""
    here = source.removeprefix(f"{PLACE}/") if source.startswith(f"{PLACE}/") else f"docs/{source}"
    return posixpath.normpath(posixpath.join(posixpath.dirname(here), target))


def _page(path: str) -> str:
    """The page of a file of the repository, by its path from `docs/`."""
    if path.startswith("docs/"):
        return path.removeprefix("docs/")
    if (ROOT / path).is_dir():
        return f"{PLACE}/{path}/index.md"
    return f"{PLACE}/{path}" if path.endswith(".md") else f"{PLACE}/{path}.md"


def _is_code(source: str) -> bool:
    """Whether a page shows a file that is no page itself."""
    path = ROOT / source.removeprefix(f"{PLACE}/")
    return source.startswith(f"{PLACE}/") and path.name != "index.md" and not path.is_file()


def _content(path: Path) -> str:
    name = path.relative_to(ROOT).as_posix()
    if path.is_dir():
        return f"# `{name}/`\n\n" + "".join(
            f"- [{each.name}]({each.name})\n" for each in sorted(path.iterdir()) if each.is_file()
        )
    text = path.read_text(encoding="utf-8")
    if path.suffix == ".md":
        return text
    code = f"~~~~~~{_LANGUAGES.get(path.suffix, 'text')}\n{text}\n~~~~~~\n"
    return f"---\nsearch: {{exclude: true}}\n---\n\n# `{name}`\n\n{code}"
