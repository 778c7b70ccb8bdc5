"""From values to HTML: the one place that knows the template library, which escapes all that is not HTML of ours."""

from collections.abc import Iterable
from functools import cached_property
from pathlib import Path
from urllib.parse import quote

import jinja2
from markupsafe import Markup

from bridge.admin import wording
from bridge.admin.page.flow import segments
from bridge.wording import gist, utc

FOLDER = Path(__file__).parent / "template"


class Renderer:
    """Fills the templates; reads each when a page needs it, if not before."""

    def prepare(self, templates: Iterable[str]) -> None:
        """Read templates before they are needed; work for a thread."""
        for template in templates:
            self._environment.get_template(template)

    def render(self, template: str, **values: object) -> str:
        """A page; work for a thread."""
        return self._environment.get_template(template).render(**values)

    @cached_property
    def _environment(self) -> jinja2.Environment:
        environment = jinja2.Environment(
            loader=jinja2.FileSystemLoader(FOLDER),
            autoescape=True,
            auto_reload=False,
            undefined=jinja2.StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
        )
        environment.filters |= {
            "ago": _ago,
            "gist": gist,
            "path": lambda text: quote(str(text)),
            "query": lambda text: quote(str(text), safe=""),
            "span": wording.brief,
            "thousands": wording.thousands,
            "utc": utc,
        }
        environment.globals |= {"segments": segments}
        return environment


def _ago(moment: float, now: float) -> Markup:
    """How long ago something was; the script of the page keeps it true."""
    at = utc(moment)
    machine = f"{at[:10]}T{at[11:19]}Z"
    return Markup('<time datetime="{}" title="{}" data-at="{}">{}</time>').format(
        machine, at, round(moment, 3), wording.brief(now - moment)
    )
