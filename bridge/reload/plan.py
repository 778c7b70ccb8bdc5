"""What another configuration would change: pure functions of the two."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from bridge.config import Config, SourceConfig
from bridge.config.section import Section
from bridge.model import SourceName

_SECTIONS = ("xds", "admin", "log")
_FIXED = ("state_directory",)
_CHANGEABLE = frozenset({"xds.debounce", "log.level", "xds.tls.certificate", "xds.tls.private_key"})


@dataclass(frozen=True, slots=True)
class Plan:
    """What becomes of the sources; those that are not named here go on untouched."""

    added: tuple[SourceConfig, ...] = ()
    changed: tuple[SourceConfig, ...] = ()
    removed: tuple[SourceName, ...] = ()
    renamed: Mapping[SourceName, SourceName] = field(default_factory=dict)
    """Of those removed, the ones that an added source reads in the same way, with its name."""


def plan(running: Mapping[SourceName, SourceConfig], wanted: Sequence[SourceConfig]) -> Plan:
    """What to do with the sources that are read now, so that they are those that are wanted."""
    names = {source.name for source in wanted}
    added = tuple(source for source in wanted if source.name not in running)
    removed = tuple(name for name in running if name not in names)
    return Plan(
        added,
        tuple(each for each in wanted if each.name in running and not _alike(running[each.name], each)),
        removed,
        dict(_renamed([running[name] for name in removed], added)),
    )


def unchangeable(old: Config, new: Config) -> list[str]:
    """The keys that differ and that only a restart can change, sorted."""
    found = [key for key in _FIXED if getattr(old, key) != getattr(new, key)]
    for section in _SECTIONS:
        found += _different(section, getattr(old, section), getattr(new, section))
    return sorted(found)


def _different(section: str, before: Section, after: Section) -> Iterator[str]:
    """The keys of a section that differ and that only a restart can change."""
    for key in type(before).model_fields:
        one, other, name = getattr(before, key), getattr(after, key), f"{section}.{key}"
        if one == other or name in _CHANGEABLE:
            continue
        if name == "xds.tls" and one and other:
            yield from _different(name, one, other)
        elif name != "xds.tls.client_ca" or not (one and other):  # what is fixed is whether there is one
            yield name


def _alike(one: SourceConfig, other: SourceConfig) -> bool:
    """Whether an adapter would read both in the same way."""
    return (one.adapter, one.options, one.allow_empty) == (other.adapter, other.options, other.allow_empty)


def _renamed(removed: Iterable[SourceConfig], added: Iterable[SourceConfig]) -> Iterable[tuple[SourceName, SourceName]]:
    free = list(added)
    for old in removed:
        heir = next((new for new in free if _alike(old, new)), None)
        if heir:
            free.remove(heir)
            yield old.name, heir.name
