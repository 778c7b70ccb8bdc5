"""Which names a list of patterns covers: the subject alternative names of certificates, and who may do what."""

from collections.abc import Collection, Iterable


def matches(names: Iterable[str], patterns: Collection[str]) -> bool:
    """Whether one of the names is covered by one of the patterns.

    A pattern is a whole name, or the beginning of names where it ends in `*`: `spiffe://prod/*`. A `*` elsewhere is an
    ordinary character.
    """
    exact = {pattern for pattern in patterns if not pattern.endswith("*")}
    beginnings = tuple(pattern[:-1] for pattern in patterns if pattern.endswith("*"))
    return any(name in exact or name.startswith(beginnings) for name in names)
