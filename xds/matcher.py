"""Which nodes somebody asks about, as `envoy.type.matcher.v3` says it.

https://www.envoyproxy.io/docs/envoy/latest/api-v3/type/matcher/v3/node.proto
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from enum import Enum

from xds.message import InvalidRequest
from xds.node import Node
from xds.pattern import Pattern


class Form(Enum):
    """The forms of a `StringMatcher` that are understood."""

    EXACT = "exact"
    PREFIX = "prefix"
    SUFFIX = "suffix"
    CONTAINS = "contains"
    SAFE_REGEX = "safe_regex"


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
    """Has no effect on `safe_regex`."""

    def compiled(self) -> Callable[[Node], bool]:
        """The test, made ready once for all nodes.

        Raises:
            InvalidRequest: the text is no expression that is understood.
        """
        if self.form is None:
            return lambda _node: True
        if self.form is Form.SAFE_REGEX:
            return _expression(self.text)
        compare = _COMPARISONS[self.form]
        if self.ignore_case:
            wanted = self.text.casefold()
            return lambda node: compare(node.id.casefold(), wanted)
        return lambda node: compare(node.id, self.text)


def any_of(matchers: Iterable[NodeMatcher]) -> Callable[[Node], bool]:
    """Whether one of the matchers takes a node; without any, every node is taken.

    Raises:
        InvalidRequest: one of them cannot be understood.
    """
    tests: Sequence[Callable[[Node], bool]] = [matcher.compiled() for matcher in matchers]
    return lambda node: not tests or any(test(node) for test in tests)


def _expression(text: str) -> Callable[[Node], bool]:
    try:
        pattern = Pattern(text)
    except ValueError as error:
        raise InvalidRequest(str(error)) from error
    return lambda node: pattern.matches(node.id)
