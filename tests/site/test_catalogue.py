"""Every kind of problem is documented, and its documented example shows it."""

import re
from pathlib import Path

import pytest

import seawall.site
from seawall.site.catalogue import CATALOGUE
from seawall.site.problem import Severity
from seawall.site.rules import RULES
from seawall.site.rules.rule import Rule
from site_text import certificate_files, ids, load_text

PACKAGE = Path(next(iter(seawall.site.__path__)))
SHOWN = [rule for rule in CATALOGUE if rule.example]
# Problems whose example cannot be printed, each with a file that has them.
UNPRINTABLE = {
    "not-utf8": b"version: 1\nlisten: {http: '\xff'}\n",
    "control-character": b"version: 1\nlisten: \x00\n",
    "file-too-large": b"#" * (8 * 1024 * 1024 + 1),
    "more-problems": b"version: 1\n" + b"".join(b"k%d: 1\n" % n for n in range(300)),
}
# Problems that only a failing disk can cause; test_development_ca has the test.
OF_THE_DISK = {"development-ca-unusable"}


@pytest.mark.parametrize("rule", SHOWN, ids=lambda rule: rule.id)
def test_the_example_of_each_problem_has_that_problem(rule: Rule) -> None:
    loaded = load_text(rule.example, certificate_files())
    found = [problem for problem in loaded.problems if problem.id == rule.id]
    assert found, f"{rule.id} not in {[str(p) for p in loaded.problems]}"
    assert found[0].severity is rule.severity
    assert found[0].location.line > 0 or rule.id in ("empty-file", "file-too-large")
    assert (loaded.edge is None) == any(p.severity is Severity.ERROR for p in loaded.problems)


@pytest.mark.parametrize("rule", SHOWN, ids=lambda rule: rule.id)
def test_the_example_of_each_problem_has_no_other_error(rule: Rule) -> None:
    pages = {"oops.html": b"<h1>Oops</h1>", "down.html": b"<h1>Down</h1>"}
    loaded = load_text(rule.example, {**certificate_files(), **pages})
    errors = {p.id for p in loaded.problems if p.severity is Severity.ERROR}
    allowed = {"no-sites"} if rule.id in ("bad-version", "empty-value") else set()
    assert errors - allowed <= {rule.id}


@pytest.mark.parametrize("id_", UNPRINTABLE)
def test_problems_without_a_printable_example_are_found_too(id_: str) -> None:
    assert id_ in ids(load_text(UNPRINTABLE[id_]))


def test_every_entry_has_an_example_somewhere() -> None:
    without = {rule.id for rule in CATALOGUE} - {rule.id for rule in SHOWN}
    assert without == set(UNPRINTABLE) | OF_THE_DISK


def test_ids_are_kebab_case_and_documented_once() -> None:
    known = [rule.id for rule in CATALOGUE]
    assert len(known) == len(set(known))
    assert all(re.fullmatch(r"[a-z0-9]+(-[a-z0-9]+)*", id_) for id_ in known)


def test_every_id_in_the_code_is_documented() -> None:
    """Ids are literals: the first argument of what makes a problem."""
    call = re.compile(
        r"\b(?:refuse|self\._problem|_error|draft\.error|Problem)\(\s*\"([a-z0-9-]+)\"",
        re.MULTILINE,
    )
    written = {
        id_ for file in PACKAGE.rglob("*.py") for id_ in call.findall(file.read_text("utf-8"))
    }
    assert len(written) > 20
    assert written <= {rule.id for rule in CATALOGUE}


def test_every_rule_file_is_in_the_table() -> None:
    helpers = {"__init__", "rule", "bot_rules", "dates", "served"}
    files = {file.stem for file in (PACKAGE / "rules").glob("*.py")} - helpers
    assert files == {check.__module__.rpartition(".")[2] for _, check in RULES}


def test_every_problem_says_what_to_do() -> None:
    for rule in SHOWN:
        for problem in load_text(rule.example, certificate_files()).problems:
            assert problem.what.endswith((".", "?")), problem
            assert problem.remedy, problem
