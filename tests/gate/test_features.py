"""The list of features that a release may use holds everything that the compiler writes."""

from pathlib import Path

import pytest

from seawall.clock import SystemClock
from seawall.compiler.compile import compile_edge
from seawall.gate.features import FEATURES
from seawall.gate.parts import Parts
from seawall.site.collect import collect
from seawall.site.development_ca import DevelopmentCa
from seawall.site.disk import read_file
from seawall.site.load import load

ROOT = Path(__file__).parents[2]
FILES = sorted((*ROOT.glob("examples/*/seawall.yaml"), *ROOT.glob("tests/site/corpus/good/*.yaml")))
REMEDY = "a new feature: add it to gate/features.py"
"""Made-up edges are asked the same in tests/compiler/test_properties.py."""


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem + path.parent.name)
def test_every_example_uses_known_features_only(path: Path, tmp_path: Path) -> None:
    loaded = load(
        collect(path),
        read=read_file,
        now_s=SystemClock().now_s(),
        development_certificate=DevelopmentCa(tmp_path, SystemClock()).issue,
    )
    if loaded.edge is not None:
        assert Parts().features(compile_edge(loaded.edge)) <= FEATURES.keys(), REMEDY
