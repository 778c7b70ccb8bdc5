"""Groups of suspects as values, for tests."""

from xds.stream.suspects import Suspects


def groups(*names: str) -> list[frozenset[str]]:
    """Each text is a group, each of its characters a name."""
    return [frozenset(each) for each in names]


def drained(suspects: Suspects) -> list[frozenset[str]]:
    """All groups in their order; none is left."""
    return [suspects.next() for _ in range(len(suspects))]
