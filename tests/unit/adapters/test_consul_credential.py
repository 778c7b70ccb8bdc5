from pathlib import Path

import pytest

from adapters.consul.credential import credential
from bridge.errors import SourceError


def write(file: Path, content: str | None) -> None:
    """Put a token into the file, or with None take the file away."""
    file.unlink() if content is None else file.write_text(content)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    file = tmp_path / "token"
    file.write_text(" first\n")
    return file


async def test_no_file_is_no_credential() -> None:
    with credential(None, pytest.fail) as token:
        assert token is None


async def test_token_is_read_without_white_space(file: Path) -> None:
    with credential(file, pytest.fail) as token:
        assert token is not None
        assert await token.token() == "first"


async def test_refused_token_is_read_again(file: Path) -> None:
    with credential(file, pytest.fail) as token:
        assert token is not None
        refused = await token.token()
        assert not await token.replaced(refused)
        write(file, "second")

        assert await token.replaced(refused)
        assert await token.replaced(refused), "for everybody whose token was refused"
        assert await token.token() == "second"


@pytest.mark.parametrize("content", [None, "", "  \n", "two\nlines", "t\u00f6ken"])
async def test_file_without_a_token_is_a_source_error(file: Path, content: str | None) -> None:
    write(file, content)

    with credential(file, pytest.fail) as token:
        assert token is not None
        with pytest.raises(SourceError, match=str(file)):
            await token.token()


async def test_last_token_stays_in_use_while_the_file_cannot_be_read(file: Path) -> None:
    unreadable: list[str] = []
    with credential(file, unreadable.append) as token:
        assert token is not None
        assert await token.token() == "first"
        write(file, None)

        assert not await token.replaced("first")
        assert not await token.replaced("first")

        assert await token.token() == "first"
        assert len(unreadable) == 1, "told once"

        write(file, "second")
        assert await token.replaced("first")
        write(file, None)
        await token.replaced("second")
        assert len(unreadable) == 2, "and again after it was well"
