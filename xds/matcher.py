"""Which nodes somebody asks about, as `envoy.type.matcher.v3` says it.

https://www.envoyproxy.io/docs/envoy/latest/api-v3/type/matcher/v3/node.proto
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from enum import Enum

from xds.node import Node


class Form(Enum):
    """The forms of a `StringMatcher` that are understood."""

    EXACT = "exact"
    PREFIX = "prefix"
    SUFFIX = "suffix"
    CONTAINS = "contains"


_COMPARISONS: dict[Form, Callable[[str, str], bool]] = {
    Form.EXACT: str.__eq__,
    Form.PREFIX: str.startswith,
    Form.SUFFIX: str.endswith,
    Form.CONTAINS: str.__contains__,
}


@dataclass(frozen=True, slots=True)
class NodeMatcher:
    """Nodes whose id has a form; every node where none is given."""

    form: Form | None = None
    text: str = ""
    ignore_case: bool = False

    def compiled(self) -> Callable[[Node], bool]:
        """The test, made ready once for all nodes."""
        if self.form is None:
            return lambda _node: True
        compare = _COMPARISONS[self.form]
        if self.ignore_case:
            wanted = self.text.casefold()
            return lambda node: compare(node.id.casefold(), wanted)
        return lambda node: compare(node.id, self.text)


def any_of(matchers: Iterable[NodeMatcher]) -> Callable[[Node], bool]:
    """Whether one of the matchers takes a node; without any, every node is taken."""
    tests: Sequence[Callable[[Node], bool]] = [matcher.compiled() for matcher in matchers]
    return lambda node: not tests or any(test(node) for test in tests)
