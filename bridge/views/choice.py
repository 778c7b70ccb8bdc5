"""Which rule a client falls under: pure functions of what it says about itself and of what its certificate proves."""

from collections.abc import Iterable, Sequence
from fnmatch import fnmatchcase

from bridge.config import ViewMatch, ViewRule
from xds import Client, any_matches

_SHOWN = 200
"""Characters of what a client says that it is told back; the status of a stream has to fit into a header."""


def chosen(rules: Sequence[ViewRule], client: Client) -> int | None:
    """The position of the first rule that matches; None if none does."""
    return next((index for index, rule in enumerate(rules) if matches(rule.match, client)), None)


def matches(match: ViewMatch, client: Client) -> bool:
    """Whether everything that is given in `match` holds of a client."""
    metadata = dict(client.node.metadata)
    return (
        _fits(match.id, [client.node.id])
        and _fits(match.cluster, [client.node.cluster])
        and all(key in metadata and fnmatchcase(metadata[key], glob) for key, glob in match.metadata.items())
        and (match.san is None or any_matches(match.san, client.names))
    )


def everybody(match: ViewMatch) -> bool:
    """Whether a rule is for every client, whatever it says."""
    return {match.id, match.cluster} <= {None, "*"} and not match.metadata and match.san is None


def heir(rules: Sequence[ViewRule], match: ViewMatch | None) -> int | None:
    """The rule for the clients that another configuration has `match` for, or for everybody, whichever comes first.

    None if there is none of either kind; of clients that no rule was for (None), only one for everybody is.
    """
    return next((place for place, rule in enumerate(rules) if rule.match == match or everybody(rule.match)), None)


def selected(globs: Sequence[str], name: str) -> bool:
    """Whether one of the globs matches a name."""
    return any(fnmatchcase(name, glob) for glob in globs)


def introduction(client: Client) -> str:
    """A client as it presents itself, for a message to whoever operates it."""
    node = client.node
    metadata = (f"{key}={value}" for key, value in node.metadata)
    return (
        f"node id {_shown([node.id])}, cluster {_shown([node.cluster])}, metadata {_shown(metadata)}, "
        f"names in its certificate {_shown(client.names)}"
    )


def _fits(glob: str | None, values: Iterable[str]) -> bool:
    return glob is None or any(fnmatchcase(value, glob) for value in values)


def _shown(values: Iterable[str]) -> str:
    text = ", ".join(filter(None, values))
    return repr(text if len(text) <= _SHOWN else f"{text[:_SHOWN]}…") if text else "(none)"
