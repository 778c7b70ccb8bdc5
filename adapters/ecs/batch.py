"""Many things asked for in a few calls, of which some may fail."""

from collections.abc import Awaitable, Callable, Iterable, Iterator, Sequence

from adapters._aws import AwsError, Kind

_FAILURES = 3
"""So many failed calls in a row are enough to know that the next one will fail too."""


def chunks(names: Iterable[str], size: int) -> Iterator[Sequence[str]]:
    """Names in order, `size` at a time: the same names are always asked for together."""
    ordered = sorted(names)
    return (ordered[start : start + size] for start in range(0, len(ordered), size))


async def each(parts: Iterable[Sequence[str]], ask: Callable[[Sequence[str]], Awaitable[None]]) -> tuple[AwsError, ...]:
    """Ask for each part; returns the failures. One does not stop the others, until three in a row do."""
    errors: list[AwsError] = []
    in_a_row = 0
    for part in parts:
        try:
            await ask(part)
            in_a_row = 0
        except AwsError as error:
            errors.append(error)
            in_a_row += 1
            if in_a_row == _FAILURES or error.kind in (Kind.DENIED, Kind.EXPIRED):
                break
    return tuple(errors)
