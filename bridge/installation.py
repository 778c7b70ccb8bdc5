"""Whether our packages are still ours: other distributions install top-level packages of the same names over them.

`xds-protos` brings an `xds` (as `grpcio-admin` and `grpcio-csds` do, by needing it), PyPI has an `adapters`; pip
replaces files without a word, and removing the other one takes our files with it.
"""

import ast
import importlib.metadata
import importlib.util
from collections.abc import Iterable
from importlib.machinery import ModuleSpec

from bridge.errors import ConfigError

DISTRIBUTION = "xds-bridge"
PACKAGES = ("bridge", "adapters", "xds")


def verify(packages: Iterable[str] = PACKAGES) -> None:
    """Refuse to start with a package of somebody else. Looks without importing: foreign code shall not run.

    Raises:
        ConfigError: a package is not ours or is not whole; the message names it and who put it there.
    """
    for package in packages:
        spec = importlib.util.find_spec(package)
        if spec is None or owner(spec) != DISTRIBUTION:
            raise ConfigError(_complaint(package, spec))


def owner(spec: ModuleSpec) -> str | None:
    """What a package says of the distribution it belongs to (`__distribution__`), or None where it says nothing."""
    source = getattr(spec.loader, "get_source", lambda _: None)(spec.name)  # a namespace package has no source
    for statement in ast.parse(source or "").body:
        match statement:
            case ast.Assign(targets=[ast.Name(id="__distribution__")], value=ast.Constant(value=str(name))):
                return name
    return None


def _complaint(package: str, spec: ModuleSpec | None) -> str:
    installed = importlib.metadata.packages_distributions().get(package, [])
    others = sorted({name for name in installed if name != DISTRIBUTION})
    if spec is None or spec.origin is None:
        what = (
            f"the package {package!r} of {DISTRIBUTION} is incomplete: another distribution replaced it and was removed"
        )
    else:
        what = f"the package {package!r} at {spec.origin} is not that of {DISTRIBUTION}"
        what += f": {' and '.join(others)} replaced it" if others else ""
    remove = f"pip uninstall {' '.join(others)}; " if others else ""
    return f"{what}; run: {remove}pip install --force-reinstall {DISTRIBUTION} (in an environment of its own)"
