"""Every secret that tests hand out, and the check that what the bridge writes and answers holds none of them.

Whoever makes a secret in a test passes it through `hand_out`; answers of the bridge as a process and the commands are
looked through by `require_none`, and what is written to a `watched` file at the end of the test, so a test need not
think of it.
"""

from pathlib import Path

_SHORTEST = 16
"""Characters of what cannot be in a text by chance."""

_handed_out: set[str] = set()
_watched: set[Path] = set()


def hand_out(secret: str) -> str:
    """The same, from now on looked for."""
    assert len(secret) >= _SHORTEST, f"{secret!r} may be in a text by chance; take one of {_SHORTEST} characters"
    _handed_out.add(secret)
    return secret


def hand_out_key(pem: bytes) -> bytes:
    """The same private key, of which every line is looked for from now on."""
    for line in pem.decode("ascii").splitlines():
        if not line.startswith("-----") and len(line) >= _SHORTEST:
            hand_out(line)
    return pem


def require_none(text: str, what: str) -> None:
    """Fail the test if a secret is in a text that others may read."""
    shown = sorted(secret for secret in _handed_out if secret in text)
    assert not shown, f"{what} shows {len(shown)} secrets: {', '.join(shown)}"


def watched(log: Path) -> Path:
    """The same, of which every line is looked through when the test ends, however it ends."""
    _watched.add(log)
    return log


def require_none_written() -> None:
    """Fail the test if a secret is in a file that was watched in it."""
    logs = sorted(_watched)
    _watched.clear()
    for log in logs:
        if log.exists():  # a test may clean up behind itself
            require_none(log.read_text(encoding="utf-8", errors="replace"), f"the log {log}")
