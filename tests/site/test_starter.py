"""What `seawall init` writes loads without a problem and explains itself."""

import pytest

from seawall.errors import UsageError
from seawall.site.load import Loaded, load
from seawall.site.starter import starter_file
from site_text import certificate_files, sources


def _load(text: str) -> Loaded:
    return load(sources(text), read=certificate_files().__getitem__, now_s=0)


@pytest.mark.parametrize("url", ["http://localhost:3000", "https://a.example", "http://[::1]:80"])
@pytest.mark.parametrize("https", ["127.0.0.1:8443", ""])
def test_the_first_file_has_no_problems(url: str, https: str) -> None:
    loaded = _load(starter_file(url, https=https, hosts=("a.example", "*.a.example")))
    assert loaded.problems == ()
    assert loaded.edge is not None
    assert bool(loaded.edge.listen.https) == bool(https)
    assert loaded.edge.sites[0].hosts == ("a.example", "*.a.example")


@pytest.mark.parametrize(
    ("url", "http", "https"),
    [
        ("http://localhost:8080", 8081, 8443),
        ("https://localhost:8443", 8080, 8444),
        ("http://app:8080", 8080, 8443),
    ],
)
def test_a_website_on_the_usual_port_keeps_it(url: str, http: int, https: int) -> None:
    loaded = _load(starter_file(url))
    assert "origin-loop" not in {problem.id for problem in loaded.problems}
    assert loaded.edge is not None
    assert [one.port for one in loaded.edge.listen.http] == [http]
    assert [one.port for one in loaded.edge.listen.https] == [https]


def test_every_line_that_is_commented_out_may_be_used() -> None:
    text = starter_file("http://localhost:3000")
    for written in (
        "health_check:",
        "backup:",
        "- {name: api",
        "- {name: live",
        "- {name: old",
    ):
        assert f"# {written}" in text
        text = text.replace(f"# {written}", written)
    assert _load(text).problems == ()


@pytest.mark.parametrize("url", ["localhost:3000", "", "ftp://a", "http://a/path"])
def test_what_is_no_origin_is_refused(url: str) -> None:
    with pytest.raises(UsageError) as caught:
        starter_file(url)
    assert caught.value.remedy
