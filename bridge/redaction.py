"""What must not be shown to whoever may read here: known by what it is called, or by how it looks. Pure functions."""

import re

REDACTED = "‹redacted›"

_NAMES = r"token|secret|passw(?:or)?d|pwd|passphrase|credential|(?:private|api|access)[_-]?key|authorization|cookie"

_SECRET = re.compile(rf"{_NAMES}|external_id|inline_(string|bytes)", re.IGNORECASE)
_PAIR = re.compile(rf"(?P<name>[\w.-]*(?:{_NAMES})[\w.-]*[\"']?\s*[=:]\s*)(?!‹)[^\s,;&]+", re.IGNORECASE)
_USER = re.compile(r"(?P<scheme>[A-Za-z][A-Za-z0-9+.-]*://)[^?#\s]*@")
_QUERY = re.compile(r"(?P<name>[?&][^=&\s]*(?:token|secret|password|key|signature)[^=&\s]*=)[^&#\s]+", re.IGNORECASE)
_BEARER = re.compile(r"\b(?P<scheme>Bearer|Basic)\s+\S+", re.IGNORECASE)


def names_secret(name: str) -> bool:
    """Whether what is called so is a secret, by its name."""
    return _SECRET.search(name) is not None


def redacted(text: str) -> str:
    """A text without passwords in URLs, without keys, and without what stands behind a name such as `password=`."""
    if "-----BEGIN" in text:
        return REDACTED
    text = _USER.sub(lambda found: f"{found['scheme']}{REDACTED}@", text)
    text = _QUERY.sub(lambda found: f"{found['name']}{REDACTED}", text)
    text = _BEARER.sub(lambda found: f"{found['scheme']} {REDACTED}", text)
    return _PAIR.sub(lambda found: f"{found['name']}{REDACTED}", text)
