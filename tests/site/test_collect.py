"""From the disk to sources: includes, bounds, and files that are no files."""

import os
from pathlib import Path

import pytest

from seawall import limits
from seawall.clock import SystemClock
from seawall.errors import UsageError
from seawall.site.collect import collect
from seawall.site.disk import file_mode, read_file
from seawall.site.load import load
from site_text import ids

ROOT = "version: 1\nincludes: [sites/*.yaml, 'b.yaml']\nlisten: {http: 127.0.0.1:80}\n"


def site(name: str) -> str:
    return f"sites: {{{name}: {{hosts: [{name}.example], origin: 'http://a'}}}}\n"


def test_includes_are_found_beside_the_site_file_in_sorted_order(tmp_path: Path) -> None:
    (tmp_path / "sites").mkdir()
    for name in ("z", "a"):
        (tmp_path / "sites" / f"{name}.yaml").write_text(site(name))
    (tmp_path / "b.yaml").write_text(site("b"))
    (tmp_path / "other.yaml").write_text("not: read")
    (tmp_path / "seawall.yaml").write_text(ROOT)
    sources = collect(tmp_path / "seawall.yaml")
    names = [Path(file.path).relative_to(tmp_path).as_posix() for file in sources.files]
    assert names == ["seawall.yaml", "sites/a.yaml", "sites/z.yaml", "b.yaml"]
    loaded = load(sources, read=read_file, now_s=SystemClock().now_s(), file_mode=file_mode)
    assert loaded.problems == ()
    assert loaded.edge is not None
    assert [s.name for s in loaded.edge.sites] == ["a", "z", "b"]


def test_a_file_that_two_patterns_match_is_read_once(tmp_path: Path) -> None:
    (tmp_path / "seawall.yaml").write_text("includes: ['*.yaml', a.yaml, seawall.yaml]\n")
    (tmp_path / "a.yaml").write_text(site("a"))
    assert len(collect(tmp_path / "seawall.yaml").files) == 2


def test_the_way_to_the_site_file_is_no_pattern(tmp_path: Path) -> None:
    directory = tmp_path / "[shop] *?"
    directory.mkdir()
    (directory / "a.yaml").write_text(site("a"))
    root = directory / "seawall.yaml"
    for includes in ("a.yaml", "[a].yaml", "../*/a.yaml"):
        root.write_text(f"version: 1\nincludes: ['{includes}']\nlisten: {{http: ':80'}}\n")
        loaded = load(collect(root), read=read_file, now_s=0)
        assert loaded.problems == ()
        assert loaded.edge is not None


def test_a_file_whose_name_is_no_text_is_judged_like_others(tmp_path: Path) -> None:
    (tmp_path / "seawall.yaml").write_text(ROOT.replace(", 'b.yaml'", ""))
    (tmp_path / "sites").mkdir()
    (tmp_path / "sites" / os.fsdecode(b"\xff.yaml")).write_text(site("NoName"))
    assert ids(load(collect(tmp_path / "seawall.yaml"), read=read_file, now_s=0)) == {"bad-name"}


def test_a_missing_site_file_says_how_to_make_one(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="There is no site file") as caught:
        collect(tmp_path / "seawall.yaml")
    assert caught.value.code == "site-file-missing"
    assert "seawall init" in caught.value.remedy


def test_a_folder_or_a_pipe_is_not_read(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    for path in (tmp_path, tmp_path / "pipe"):
        with pytest.raises(UsageError, match="cannot be read") as caught:
            collect(path)
        assert caught.value.code == "site-file-unreadable"
    with pytest.raises(OSError, match="not a regular file"):
        read_file(str(tmp_path / "pipe"))


def test_an_include_that_cannot_be_read_is_named_with_its_pattern(tmp_path: Path) -> None:
    root = tmp_path / "seawall.yaml"
    root.write_text("includes: [a.yaml, 'sites/*']\n")
    (tmp_path / "a.yaml").write_text(site("a"))
    (tmp_path / "sites").mkdir()
    (tmp_path / "sites" / "gone.yaml").symlink_to("nowhere.yaml")
    (tmp_path / "sites" / "old").mkdir()
    for name, why in (("gone.yaml", "No such file"), ("old", "not a regular file")):
        with pytest.raises(UsageError, match=f"sites/{name} cannot be read: .*{why}") as caught:
            collect(root)
        assert caught.value.code == "include-unreadable"
        assert f"`sites/*` among the `includes` of {root}" in caught.value.message
        assert "narrow the pattern" in caught.value.remedy
        (tmp_path / "sites" / "gone.yaml").unlink(missing_ok=True)


def test_a_gigantic_file_is_read_up_to_the_bound_and_refused(tmp_path: Path) -> None:
    root = tmp_path / "seawall.yaml"
    with root.open("wb") as file:
        file.truncate(1 << 40)  # a sparse file: 1 TiB that takes no room
    sources = collect(root)
    assert len(sources.files[0].content) == limits.SITE_FILE_SIZE_BYTES_MAX + 1
    assert ids(load(sources, read=read_file, now_s=0)) == {"file-too-large"}


def test_a_broken_site_file_is_collected_so_that_its_problem_can_be_shown(tmp_path: Path) -> None:
    root = tmp_path / "seawall.yaml"
    root.write_text("includes: [a.yaml\n")
    assert ids(load(collect(root), read=read_file, now_s=0)) == {"yaml-syntax"}


def test_too_many_includes_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "SITE_INCLUDES_MAX", 3)
    (tmp_path / "seawall.yaml").write_text("includes: ['s*.yaml']\n")
    for number in range(5):
        (tmp_path / f"s{number}.yaml").write_text(site(f"s{number}"))
    with pytest.raises(UsageError) as caught:
        collect(tmp_path / "seawall.yaml")
    assert caught.value.code == "too-many-includes"


def test_all_files_together_are_bounded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "SITE_SOURCES_SIZE_BYTES_MAX", 500)
    (tmp_path / "seawall.yaml").write_text("includes: ['s*.yaml']\n")
    for number in range(100):
        (tmp_path / f"s{number:03}.yaml").write_text(site(f"s{number}"))
    sources = collect(tmp_path / "seawall.yaml")
    assert sum(len(file.content) for file in sources.files) < 700
    assert ids(load(sources, read=read_file, now_s=0)) == {"file-too-large"}


def test_includes_through_a_loop_of_links_end(tmp_path: Path) -> None:
    (tmp_path / "loop").symlink_to(tmp_path)
    (tmp_path / "seawall.yaml").write_text("includes: ['loop/*.yaml']\n")
    assert len(collect(tmp_path / "seawall.yaml").files) == 2


def test_unreadable_patterns_are_passed_over_and_reported(tmp_path: Path) -> None:
    (tmp_path / "seawall.yaml").write_text("includes: [5, {a: b}, '[', '../../*/*/x.yaml']\n")
    assert "wrong-type" in ids(load(collect(tmp_path / "seawall.yaml"), read=read_file, now_s=0))


@pytest.mark.parametrize(
    "text",
    [
        "version: 1\nsites: {a: {hosts: [x]}}\nincludes: [a.yaml]\n",
        "x: &all {includes: a.yaml}\n<<: *all\n",
        "includes: &i a.yaml\nother: *i\n",
        "'includes': a.yaml\nbroken: [\n",
    ],
)
def test_includes_are_found_wherever_they_stand(tmp_path: Path, text: str) -> None:
    (tmp_path / "seawall.yaml").write_text(text)
    (tmp_path / "a.yaml").write_text(site("a"))
    sources = collect(tmp_path / "seawall.yaml")
    assert [Path(file.path).name for file in sources.files] == ["seawall.yaml", "a.yaml"]


@pytest.mark.parametrize(
    "text", ["", "includes", "- includes\n", "a: {includes: a.yaml}\n", "\t: includes", "i: \xff"]
)
def test_what_only_mentions_includes_has_none(tmp_path: Path, text: str) -> None:
    (tmp_path / "seawall.yaml").write_bytes(text.encode("latin-1"))
    (tmp_path / "a.yaml").write_text(site("a"))
    assert len(collect(tmp_path / "seawall.yaml").files) == 1
