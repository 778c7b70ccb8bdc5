"""What must not be shown to whoever may read here: known by what it is called, or by how it looks. Pure functions."""

import re

REDACTED = "‹redacted›"

_SECRET = re.compile(
    r"token|secret|passw(or)?d|passphrase|credential|(private|api|access)[_-]?key|authorization|cookie|external_id"
    r"|inline_(string|bytes)",
    re.IGNORECASE,
)
_USER = re.compile(r"(?P<scheme>[A-Za-z][A-Za-z0-9+.-]*://)[^?#\s]*@")
_QUERY = re.compile(r"(?P<name>[?&][^=&\s]*(?:token|secret|password|key|signature)[^=&\s]*=)[^&#\s]+", re.IGNORECASE)
_BEARER = re.compile(r"\b(?P<scheme>Bearer|Basic)\s+\S+", re.IGNORECASE)


def names_secret(name: str) -> bool:
    """Whether what is called so is a secret, by its name."""
    return _SECRET.search(name) is not None


def redacted(text: str) -> str:
    """A text without passwords in URLs, and without keys."""
    if "-----BEGIN" in text:
        return REDACTED
    text = _USER.sub(lambda found: f"{found['scheme']}{REDACTED}@", text)
    text = _QUERY.sub(lambda found: f"{found['name']}{REDACTED}", text)
    return _BEARER.sub(lambda found: f"{found['scheme']} {REDACTED}", text)
