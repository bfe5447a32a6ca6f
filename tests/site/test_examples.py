"""The examples are whole sites without problems, each with a page that explains it."""

from pathlib import Path

import pytest

from seawall.clock import SystemClock
from seawall.site.collect import collect
from seawall.site.development_ca import DevelopmentCa
from seawall.site.disk import file_mode, read_file
from seawall.site.load import Loaded, load

EXAMPLES = sorted((Path(__file__).parents[2] / "examples").glob("*/seawall.yaml"))


def _load(root: Path, data_dir: Path) -> Loaded:
    authority = DevelopmentCa(data_dir, SystemClock())
    return load(
        collect(root),
        read=read_file,
        file_mode=file_mode,
        now_s=SystemClock().now_s(),
        development_certificate=authority.issue,
    )


def test_there_are_at_least_five_examples() -> None:
    assert len(EXAMPLES) >= 5


@pytest.mark.parametrize("root", EXAMPLES, ids=lambda path: path.parent.name)
def test_an_example_has_no_problems(root: Path, tmp_path: Path) -> None:
    loaded = _load(root, tmp_path)
    assert [str(problem) for problem in loaded.problems] == []
    assert loaded.edge is not None
    assert loaded.edge.sites


@pytest.mark.parametrize("root", EXAMPLES, ids=lambda path: path.parent.name)
def test_an_example_listens_on_ports_anybody_may_use(root: Path, tmp_path: Path) -> None:
    edge = _load(root, tmp_path).edge
    assert edge is not None
    for listener in (*edge.listen.http, *edge.listen.https):
        assert listener.address == "127.0.0.1"
        assert listener.port > 1024


@pytest.mark.parametrize("root", EXAMPLES, ids=lambda path: path.parent.name)
def test_an_example_is_explained_in_a_short_page(root: Path) -> None:
    page = (root.parent / "README.md").read_text("utf-8")
    assert page.startswith("# ")
    assert 5 <= len(page.splitlines()) <= 20
