"""What must not be shown to whoever may read here: known by what it is called, or by how it looks. Pure functions."""

import re
from functools import lru_cache

REDACTED = "‹redacted›"

_NAMES = r"token|secret|passw(?:or)?d|pwd|passphrase|credential|(?:private|api|access)[_-]?key|authorization|cookie"

_SECRET = re.compile(rf"{_NAMES}|external_id|inline_(string|bytes)", re.IGNORECASE)

# Everything is bounded: texts come from strangers, and are looked through on the event loop.
_PEM = re.compile(r"-----BEGIN.*?(?:-----END[^-]{0,99}-----|\Z)", re.DOTALL)
_PAIR = re.compile(
    rf"(?P<name>(?:{_NAMES})[\w.-]{{0,99}}[\"']?\s{{0,9}}[=:]\s{{0,9}})(?!\"?‹)(?:\"[^\"]*\"?|'[^']*'?|[^\s,;&]+)",
    re.IGNORECASE,
)
_USER = re.compile(r"(?P<scheme>(?<![A-Za-z])[A-Za-z][A-Za-z0-9+.-]{0,19}://)(?:[^?#\s@]{0,1000}@){1,8}")
_QUERY = re.compile(
    r"(?P<name>[?&][^=&?\s]{0,99}(?:token|secret|password|key|signature)[^=&?\s]{0,99}=)[^&#\s]+", re.IGNORECASE
)
_BEARER = re.compile(r"\b(?P<scheme>Bearer|Basic)\s+\S+", re.IGNORECASE)

# Protobuf's text format, in which Envoy quotes what it rejects: `password: "x"`, `inline_string: "x"`, and what stands
# beside its name, such as a header: `key: "x-api-key" value: "x"`.
_QUOTED = r'"(?:[^"\\]|\\.)*"?'
_FIELD = re.compile(
    rf"(?P<name>(?:inline_string|inline_bytes|{_NAMES})[\w.-]{{0,99}}\s{{0,9}}:\s{{0,9}}){_QUOTED}", re.IGNORECASE
)
_KEYED = re.compile(
    rf'(?P<name>\b(?:key|name)\s{{0,9}}:\s{{0,9}}"[^"\\]{{0,99}}(?:{_NAMES})[^"\\]{{0,99}}"\s{{1,99}}'
    rf"(?:raw_)?value\s{{0,9}}(?::|\{{\s{{0,99}}string_value\s{{0,9}}:)\s{{0,9}}){_QUOTED}",
    re.IGNORECASE,
)


def names_secret(name: str) -> bool:
    """Whether what is called so is a secret, by its name."""
    return _SECRET.search(name) is not None


def redacted(text: str) -> str:
    """A text without passwords in URLs, without keys, and without what stands beside a name such as `password`."""
    return _PAIR.sub(lambda found: f"{found['name']}{REDACTED}", _without_quoted(text))


@lru_cache(maxsize=64)
def redacted_rejection(message: str) -> str:
    """What an Envoy says of a resource that it rejects and quotes, without what is secret in that; its own words stay.

    The Envoys of a fleet say the same, so it is remembered for a while.
    """
    return _without_quoted(message)


def _without_quoted(text: str) -> str:
    for quoted in (_FIELD, _KEYED):
        text = quoted.sub(lambda found: f'{found["name"]}"{REDACTED}"', text)
    text = _PEM.sub(REDACTED, text)
    text = _USER.sub(lambda found: f"{found['scheme']}{REDACTED}@", text)
    text = _QUERY.sub(lambda found: f"{found['name']}{REDACTED}", text)
    return _BEARER.sub(lambda found: f"{found['scheme']} {REDACTED}", text)
