import json

import pytest

from bridge.state.envelope import DamagedError, seal, unseal


def sealed(version: int = 1, content: bytes = b'{"a":1}') -> bytes:
    return b"".join(seal(version, [content]).parts)


def test_the_same_content_has_the_same_digest_however_it_comes() -> None:
    whole, parts, newer = seal(1, [b"abc"]), seal(1, [b"a", b"bc"]), seal(2, [b"abc"])

    assert whole.digest == parts.digest != newer.digest


def test_a_file_is_json() -> None:
    opened = unseal(sealed(17))
    document = json.loads(sealed(17))

    assert document == {"format": "xds-bridge-state", "version": 17, "digest": opened.digest, "content": {"a": 1}}
    assert (opened.version, opened.content) == (17, b'{"a":1}')
    assert opened.digest == seal(17, [b'{"a":1}']).digest


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", "does not begin"),
        (b"{}\n", "does not begin"),
        (sealed()[:-1], "end is missing"),
        (sealed() + b"\n", "end is missing"),
        (sealed()[:-3] + b" }\n", "digest is wrong"),
        (sealed().replace(b":1,", b":2,"), "digest is wrong"),  # a damaged file, and not one of a newer bridge
        (sealed().replace(b'"a":1', b'"a":2'), "digest is wrong"),
        (sealed().replace(b":1,", b":01,"), "does not begin"),
        (sealed().upper(), "does not begin"),
    ],
)
def test_every_damage_is_found(data: bytes, reason: str) -> None:
    with pytest.raises(DamagedError, match=reason):
        unseal(data)
