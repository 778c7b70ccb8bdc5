"""Who is on the other end of a stream, as it names itself."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Node:
    """The two fields of `core.v3.Node` by which operators know their Envoys; an empty string is "not given".

    A convenience and no boundary: nothing proves that a client is who it says it is.
    """

    id: str = ""
    cluster: str = ""
