"""From the file to a `Config`: reads it, checks it as a whole, and reports everything that is wrong at once."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from itertools import combinations
from pathlib import Path as FilePath
from typing import Never

from bridge.adapter import AdapterType
from bridge.config.address import Address
from bridge.config.environment import expand
from bridge.config.model import AdminConfig, Config, SourceConfig, SourceKeys
from bridge.config.service import cluster_rules, merge_problems
from bridge.config.validation import validate
from bridge.config.view import ViewMatch
from bridge.document import Document, UnreadableError, parse
from bridge.errors import ConfigError
from bridge.model import SourceName
from bridge.problem import Path, Problem, TemplateError, nearest, path_text

Plugins = Mapping[str, AdapterType[Never]]


def load(path: FilePath, environ: Mapping[str, str], plugins: Plugins) -> Config:
    """Read and check a configuration file.

    Args:
        path: the file.
        environ: what `${NAME}` stands for.
        plugins: the adapters by the `type` that a source asks for.

    Raises:
        ConfigError: it cannot be read or is wrong; one line per problem, each with file, line and column.
    """
    text = _text(path)
    document = _document(path, text, environ)
    top = _top(document)
    sources, problems = _sources(top.get("sources"), plugins)
    config, found = validate(Config, {**top, "sources": sources})
    problems += [*found, *_duplicate_names(top.get("sources"))]
    if config is not None:
        problems += _cross_checks(config, document)
    if config is None or problems or document.problems:
        raise ConfigError(document.report(problems))
    if problems := [*_templates(config)]:
        raise ConfigError(document.report(problems))
    config.remember(_top(parse(str(path), text)))
    return config


def load_admin(path: FilePath, environ: Mapping[str, str]) -> AdminConfig:
    """The section `admin` alone: how to reach a bridge that runs, whatever is wrong elsewhere in its file.

    Raises:
        ConfigError: the file cannot be read, or the section is wrong.
    """
    document = _document(path, _text(path), environ)
    section = _top(document).get("admin", {})
    own = [(place, problem) for place, problem in document.problems if problem.path[:1] == ("admin",)]
    if not isinstance(section, dict):
        raise ConfigError(document.report([Problem(("admin",), "expected a mapping")]))
    config, problems = validate(AdminConfig, section, ("admin",))
    if config is None or own:
        raise ConfigError(replace(document, problems=tuple(own)).report(problems))
    return config


def _document(path: FilePath, text: str, environ: Mapping[str, str]) -> Document:
    try:
        return parse(str(path), text, lambda value: expand(value, environ))
    except UnreadableError as error:
        raise ConfigError(str(error)) from error


def _text(path: FilePath) -> str:
    try:
        return path.read_bytes().decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise ConfigError(f"{path}: byte {error.start} is not UTF-8") from error
    except (OSError, ValueError) as error:  # ValueError: a NUL in the path
        reason = error.strerror if isinstance(error, OSError) else str(error)
        raise ConfigError(f"cannot read the configuration {path}: {reason}") from error


def _top(document: Document) -> Mapping[str, object]:
    if document.value is None:
        raise ConfigError(f"{document.name}: the configuration is empty; it needs at least `sources`")
    if not isinstance(document.value, dict):
        raise ConfigError(document.report([Problem((), "expected keys such as `sources` at the top of the file")]))
    return document.value


def _sources(value: object, plugins: Plugins) -> tuple[list[SourceConfig], list[Problem]]:
    if not isinstance(value, list) or not value:
        return [], [Problem(("sources",), "expected a list with at least one source")]
    sources, problems = [], []
    owners: dict[str, Path] = {}
    for index, entry in enumerate(value):
        at = ("sources", index)
        source, found = _source(entry, at, plugins)
        problems += found
        if source:
            sources.append(source)
            problems += _not_shared(source, at, owners)
    return sources, problems


def _not_shared(source: SourceConfig, at: Path, owners: dict[str, Path]) -> Iterator[Problem]:
    """What a source cannot have because an earlier one has it; what it has is added to the owners."""
    for path, thing in source.exclusive():
        owner = owners.setdefault(thing, at)
        if owner != at:
            yield Problem((*at, *path), f"{thing} is read by {path_text(owner)} already; each source needs its own")


def _source(entry: object, at: Path, plugins: Plugins) -> tuple[SourceConfig | None, list[Problem]]:
    if not isinstance(entry, dict):
        return None, [Problem(at, "expected a mapping with at least `name` and `type`")]
    own = {key: value for key, value in entry.items() if key in SourceKeys.model_fields}
    keys, problems = validate(SourceKeys, own, at)
    adapter, found = _adapter(entry.get("type"), (*at, "type"), plugins)
    problems += found
    if adapter is None:
        return None, problems
    rest = {key: value for key, value in entry.items() if key not in own}
    options, found = validate(adapter.Config, rest, at, also=tuple(SourceKeys.model_fields))
    problems += found
    if keys is None or options is None:
        return None, problems
    named = SourceName(keys.name)
    return SourceConfig(**{**keys.model_dump(), "name": named}, adapter=adapter, options=options), problems


def _adapter(name: object, at: Path, plugins: Plugins) -> tuple[AdapterType[Never] | None, list[Problem]]:
    if not isinstance(name, str):
        return None, []  # the model of the common keys has said so
    if name not in plugins:
        return None, [Problem(at, f"{name!r} is no known type of source{nearest(name, plugins)}")]
    try:
        return plugins[name], []
    except ConfigError as error:
        return None, [Problem(at, str(error))]


def _duplicate_names(value: object) -> Iterator[Problem]:
    entries = value if isinstance(value, list) else []
    names = ((("sources", i, "name"), entry.get("name")) for i, entry in enumerate(entries) if isinstance(entry, dict))
    yield from _repeated((path, name) for path, name in names if isinstance(name, str))


def _repeated(values: Iterable[tuple[Path, str]]) -> Iterator[Problem]:
    first: dict[str, Path] = {}
    for path, value in values:
        if value in first:
            yield Problem(path, f"{value!r} is taken by {path_text(first[value])}")
        first.setdefault(value, path)


def _cross_checks(config: Config, document: Document) -> Iterator[Problem]:
    yield from _collisions(config, document)
    yield from _repeated((("services", index, "match"), rule.match) for index, rule in enumerate(config.services))
    yield from merge_problems(config.services, [source.name for source in config.sources])
    yield from _unreachable_views(config)
    if "restore_max_age" in config.model_fields_set and config.state_directory is None:
        yield Problem(("restore_max_age",), "without `state_directory` nothing is kept; name one", key=True)


def _unreachable_views(config: Config) -> Iterator[Problem]:
    if config.views_required and not config.views:
        yield Problem(
            ("views_required",), "without `views` every Envoy would be refused; add a rule for those to serve"
        )
    for index, rule in enumerate(config.views):
        for earlier, other in enumerate(config.views[:index]):
            if other.match in (rule.match, ViewMatch()):
                yield Problem(("views", index), f"is never reached: views[{earlier}] matches the same Envoys first")
                break


def _collisions(config: Config, document: Document) -> Iterator[Problem]:
    listening: list[tuple[Path, Address]] = [(("xds", "listen"), config.xds.listen)]
    listening += [(("xds", "rest", "listen"), config.xds.rest.listen)] if config.xds.rest else []
    listening += [(("admin", "listen"), config.admin.listen)]
    for (one, address), (other, other_address) in combinations(listening, 2):
        if address.collides(other_address):
            at = next((path for path in (other, one) if path in document.keys), ())
            names = " and ".join(path_text(path[:-1]) for path in (one, other))
            yield Problem(at, f"{names} cannot both listen on port {address.port}")


def _templates(config: Config) -> Iterator[Problem]:
    if not config.cluster_defaults and not any(rule.cluster for rule in config.services):
        return
    # Here and not above: it imports the message classes of Envoy, which take longer than all other checks together.
    from bridge.resources import ResourceBuilder  # noqa: PLC0415 (see above)

    try:
        ResourceBuilder(config.cluster_defaults, cluster_rules(config.services))
    except TemplateError as error:
        yield Problem(error.path, error.reason, key=True)
