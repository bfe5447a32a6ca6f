"""House rules that no linter knows; each was chosen in CONTRIBUTING.md."""

import ast
import re
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SOURCE = ROOT / "src" / "seawall"
FILE_LINES_MAX = 400
FUNCTION_LINES_MAX = 60
TEST_FILE_LINES_MAX = 600


def _tracked(pattern: str) -> list[Path]:
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard", pattern],  # noqa: S607 - git is on PATH
        cwd=ROOT,
        check=True,
        capture_output=True,
    )
    return [ROOT / name for name in listed.stdout.decode().split("\0") if name]


SOURCE_FILES = sorted(SOURCE.rglob("*.py"))
TEST_FILES = sorted((ROOT / "tests").rglob("*.py"))


def test_source_files_are_small_and_explained() -> None:
    wrong = []
    for file in SOURCE_FILES:
        text = file.read_text()
        lines = len(text.splitlines())
        if file.name != "limits.py" and lines > FILE_LINES_MAX:  # one list on purpose: every bound
            wrong.append(f"{file}: {lines} lines, and {FILE_LINES_MAX} are allowed")
        tree = ast.parse(text)
        if tree.body and not ast.get_docstring(tree):
            wrong.append(f"{file} does not say what it decides")
        for node in ast.walk(tree):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                lines = (node.end_lineno or 0) - node.lineno + 1
                if lines > FUNCTION_LINES_MAX:
                    wrong.append(f"{file}:{node.lineno} {node.name}: {lines} lines")
    assert not wrong, "\n".join(wrong)


def test_test_files_are_readable() -> None:
    lines = {file: len(file.read_text().splitlines()) for file in TEST_FILES}
    assert {file: found for file, found in lines.items() if found > TEST_FILE_LINES_MAX} == {}


def test_silenced_checks_give_a_reason() -> None:
    silence = re.compile(r"#\s*(noqa|type:\s*ignore)(?P<rest>.*)$")
    wrong = []
    for file in SOURCE_FILES + TEST_FILES:
        for number, line in enumerate(file.read_text().splitlines(), 1):
            silenced = silence.search(line)
            if silenced and file != Path(__file__) and " - " not in silenced["rest"]:
                wrong.append(f"{file}:{number}: silenced without a reason")
    assert not wrong, "\n".join(wrong)


def test_tests_run_against_the_versions_that_users_get() -> None:
    def pinned(lock: str) -> dict[str, str]:
        return dict(re.findall(r"^(\S+)==(\S+)", (ROOT / lock).read_text(), re.MULTILINE))

    installed, tested = pinned("requirements.lock"), pinned("requirements-dev.lock")
    assert installed
    assert {name: tested.get(name) for name in installed} == installed


def test_nothing_is_left_for_later() -> None:
    words = re.compile(r"\b(TODO|FIXME|XXX|HACK)\b")
    for file in SOURCE_FILES:
        for number, line in enumerate(file.read_text().splitlines(), 1):
            assert not words.search(line), f"{file}:{number}: {line.strip()}"


def test_tests_never_sleep_for_a_guessed_time() -> None:
    guessed = re.compile(r"\b(time|asyncio)\.sleep\((?!0\b|POLL|poll)")
    for file in TEST_FILES:
        if file.name in {"helpers.py", Path(__file__).name}:
            continue
        for number, line in enumerate(file.read_text().splitlines(), 1):
            assert not guessed.search(line), f"{file}:{number}: await an event: {line.strip()}"


def test_the_tree_names_no_machine_and_no_private_place() -> None:
    private = re.compile(r"/(home|root)/[a-z]|/w" + r"ork/|/tmp/[a-z]/|/opt/wh" + r"eels")
    for file in _tracked("*"):
        if file.suffix in {".pem", ".bundle", ".db", ".lock"} or not file.is_file():
            continue
        try:
            text = file.read_text()
        except UnicodeDecodeError:
            continue
        found = private.search(text)
        assert not found, f"{file} names {found and found.group()}"


@pytest.mark.parametrize(
    "name",
    ["README.md", "ARCHITECTURE.md", "CONTRIBUTING.md", "SECURITY.md", "CHANGELOG.md", "LICENSE"],
)
def test_the_root_documents_are_there(name: str) -> None:
    assert (ROOT / name).stat().st_size > 400
