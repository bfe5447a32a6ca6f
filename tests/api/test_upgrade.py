"""An update of Seawall compiles everything anew; for the mass-change guard that is nothing."""

import asyncio
from dataclasses import replace
from pathlib import Path

import pytest

from seawall.api.progress import ReleaseRefusedError
from seawall.api.work import Compared
from seawall.api.workbench import Workbench
from seawall.compiler.contents import contents
from seawall.release.bundle import Bundle, FileDigest, decode, encode
from seawall.release.guard import guard
from seawall.release.release import Kind
from seawall.site.sources import SourceFile, SourceSet
from tls_material import TlsAuthority

STORED = sorted((Path(__file__).parents[1] / "golden" / "upgrade").glob("*.bundle"))
TIMEOUT = b"timeout: 30s"


def _rewritten(sources: SourceSet, old: bytes, new: bytes, count: int = -1) -> SourceSet:
    (file,) = sources.files
    return SourceSet(sources.root, (SourceFile(file.path, file.content.replace(old, new, count)),))


def _compared(tmp_path: Path, sources: SourceSet, current: Bundle) -> Compared:
    bench = Workbench(tmp_path, lambda *_: None)
    return asyncio.run(bench.compare(sources, (), encode(current)))


@pytest.fixture(params=STORED, ids=lambda path: path.stem)
def stored(request: pytest.FixtureRequest) -> Bundle:
    return decode(request.param.read_bytes())


def test_the_same_site_file_is_taken_by_the_whole_gate(stored: Bundle, tmp_path: Path) -> None:
    bench = Workbench(tmp_path, lambda *_: None)
    current = encode(stored)
    made = asyncio.run(bench.prepare(stored.sources, Kind.SITE, (), current, validate_same=False))
    assert not made.same
    assert made.verdict.guard.ok
    before, after = contents(stored.snapshot), contents(decode(made.bundle).snapshot)
    assert guard(before, after).refusals, "it would be refused if only the results were compared"


def test_a_small_change_beside_the_update_is_taken(stored: Bundle, tmp_path: Path) -> None:
    few = _rewritten(stored.sources, TIMEOUT, b"timeout: 31s", 3)
    verdict = _compared(tmp_path, few, stored).verdict
    assert verdict is not None
    assert verdict.guard.ok
    assert "changes 3 of 60 routes" in "\n".join(line.text for line in verdict.guard.lines)


def test_a_mass_change_beside_the_update_is_still_refused(stored: Bundle, tmp_path: Path) -> None:
    all_of_them = _rewritten(stored.sources, b"http://127.0.0.1:4", b"http://127.0.0.1:5")
    bench = Workbench(tmp_path, lambda *_: None)
    with pytest.raises(ReleaseRefusedError) as refused:
        asyncio.run(bench.prepare(all_of_them, Kind.SITE, (), encode(stored), validate_same=False))
    assert refused.value.code == "mass-change"


def test_without_a_file_of_then_nobody_can_tell_so_it_is_refused(
    stored: Bundle, tmp_path: Path
) -> None:
    page = tmp_path / "page.html"
    page.write_text("now")
    with_page = _rewritten(
        stored.sources, b"    routes:", b"    error_pages: {4xx: %s}\n    routes:" % bytes(page), 1
    )
    then = replace(stored, sources=with_page, files=(FileDigest(str(page), "0f" * 32),))
    verdict = _compared(tmp_path, with_page, then).verdict
    assert verdict is not None
    assert not verdict.guard.ok


def test_renewed_certificates_do_not_count(stored: Bundle, tmp_path: Path) -> None:
    authority = tmp_path / "ca.pem"
    authority.write_bytes(TlsAuthority().pem)
    origin = b"    origin: http://127.0.0.1:4000\n"
    trusting = (
        b"    origin: {endpoints: ['https://127.0.0.1:4000'], tls: {sni: app.test, ca: %s}}\n"
    )
    trusting %= bytes(authority)
    sources = _rewritten(stored.sources, origin, trusting)
    then = replace(stored, sources=sources, files=(FileDigest(str(authority), "0f" * 32),))
    compared = _compared(tmp_path, sources, then)
    assert compared.view.ok, compared.view.problems
    assert compared.verdict is not None
    assert compared.verdict.guard.ok
