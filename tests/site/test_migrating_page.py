"""The site files of docs/migrating.md are whole and good."""

import re
from pathlib import Path

import pytest

from site_text import load_text
from tls_material import TlsAuthority

PAGE = (Path(__file__).parents[2] / "docs" / "migrating.md").read_text()
BLOCKS = re.findall(r"```yaml\n(.*?)```", PAGE, re.DOTALL)


@pytest.fixture(scope="module")
def files() -> dict[str, bytes]:
    authority = TlsAuthority()
    cert, key = authority.issue("blog.example.com", "www.blog.example.com")
    return {
        "tls/blog/fullchain.pem": cert,
        "tls/blog/privkey.pem": key,
        "certs/internal-ca.pem": authority.pem,
        "errors/5xx.html": b"<h1>{status}</h1>",
    }


@pytest.mark.parametrize("number", range(len(BLOCKS)))
def test_a_site_file_of_the_page_is_good(number: int, files: dict[str, bytes]) -> None:
    loaded = load_text(BLOCKS[number], files)
    assert loaded.edge is not None, loaded.problems
    assert loaded.problems == ()


def test_the_page_has_site_files() -> None:
    assert len(BLOCKS) == 4
