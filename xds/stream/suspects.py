"""Names out of rejected responses, in groups that are tried one at a time, to find out which of them are bad."""

from collections import OrderedDict
from collections.abc import Collection

from xds.subscription import NOTHING


class Suspects:
    """Groups of names in the order in which they are to be tried; a name is in one of them at most.

    Each step costs by the names that it is about, not by all that wait: a client can reject thousands, one by one.
    """

    __slots__ = ("_count", "_group_of", "_groups")

    def __init__(self) -> None:
        self._groups: OrderedDict[int, set[str]] = OrderedDict()
        self._group_of: dict[str, int] = {}
        self._count = 0

    def __len__(self) -> int:
        return len(self._groups)

    @property
    def names(self) -> Collection[str]:
        """Every name that waits for its turn."""
        return self._group_of.keys()

    def halve(self, names: frozenset[str]) -> None:
        """One of these is bad: have each half of them tried by itself, after the groups that wait already.

        A rejected half is halved again, so that one bad name among a thousand is found in about twenty tries, and most
        of the good ones need only the first. A group that is just these, and waits, has had its try.
        """
        if (number := self._group_of.get(next(iter(names), ""))) and self._groups[number] == names:
            self.discard(names)
        ordered = sorted(names.difference(self._group_of))  # sorted: equal streams then send equal bytes
        middle = (len(ordered) + 1) // 2
        for half in (ordered[:middle], ordered[middle:]):
            if half:
                self._count += 1
                self._groups[self._count] = set(half)
                self._group_of.update(dict.fromkeys(half, self._count))

    def next(self) -> frozenset[str]:
        """The group whose turn it is, which then waits no more; no names if there is none."""
        if not self._groups:
            return NOTHING
        _, group = self._groups.popitem(last=False)
        for name in group:
            del self._group_of[name]
        return frozenset(group)

    def discard(self, names: frozenset[str]) -> None:
        """These are no suspects any more."""
        for name in names & self._group_of.keys():
            number = self._group_of.pop(name)
            group = self._groups[number]
            group.discard(name)
            if not group:
                del self._groups[number]
