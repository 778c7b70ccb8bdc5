"""Every secret that tests hand out, and the check that what the bridge writes and answers holds none of them.

Whoever makes a secret in a test passes it through `hand_out`; the bridge as a process, its answers and the commands are
looked through by `require_none`, so a test need not think of it.
"""

_SHORTEST = 16
"""Characters of what cannot be in a text by chance."""

_handed_out: set[str] = set()


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
