"""The import order of ARCHITECTURE.md, held: an edge against it fails with the line to mend."""

import ast
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

SOURCE = Path(__file__).parents[2] / "src" / "seawall"

# Ranks: a module may import its own package and any of a smaller rank.
RANKS = {
    name: rank
    for rank, names in enumerate(
        (
            ("errors",),
            (
                "limits",
                "clock",
                "ids",
                "secret",
                "exit_codes",
                "phrases",
                "strict_json",
                "__init__",
            ),
            ("sockets", "tasks", "files", "procfs", "heap", "installation"),
            ("exchange", "socket_watch"),
            ("model",),
            ("bots",),
            ("challenge", "verify"),
            ("site",),
            ("compiler",),
            ("telemetry",),
            ("judge",),
            ("release",),
            ("gate",),
            ("learn",),
            ("jobs",),
            ("rollout",),
            ("node",),
            ("api",),
            ("fleet",),
            ("console",),
            ("daemon",),
            ("demo",),
            ("drill",),
            ("cli",),
            ("testing",),
        )
    )
    for name in names
}
EXTRA_EDGES_REFUSED = {
    ("rollout", "node"): "rollout and node meet at rollout/ports.py only",
    ("compiler", "site"): "the compiler knows the model, not the text",
    ("challenge", "verify"): "they meet in the bot service of the daemon only",
    ("verify", "challenge"): "they meet in the bot service of the daemon only",
    ("telemetry", "site"): "telemetry knows names, not the text",
}
PURE = {
    # Packages and modules that decide: no I/O, no clock, no randomness.
    "bots": {"os", "io", "socket", "subprocess", "time", "random", "asyncio"},
    "compiler": {"os", "io", "socket", "subprocess", "time", "random", "asyncio", "pathlib"},
    "judge": {"os", "io", "socket", "subprocess", "time", "random", "asyncio", "pathlib"},
    "jobs": {"os", "io", "socket", "subprocess", "time", "random", "asyncio", "pathlib"},
    "model": {"os", "io", "socket", "subprocess", "time", "random", "asyncio", "pathlib"},
    "node/xds": {"os", "io", "socket", "subprocess", "time", "random", "asyncio", "grpc"},
    "rollout/plan.py": {"os", "io", "socket", "subprocess", "time", "random", "asyncio"},
    "rollout/moves.py": {"os", "io", "socket", "subprocess", "time", "random", "asyncio"},
    "rollout/steps.py": {"os", "io", "socket", "subprocess", "time", "random", "asyncio"},
    "rollout/going.py": {"os", "io", "socket", "subprocess", "time", "random", "asyncio"},
    "rollout/wave.py": {"os", "io", "socket", "subprocess", "time", "random", "asyncio"},
    "rollout/standing.py": {"os", "io", "socket", "subprocess", "time", "random", "asyncio"},
    "rollout/assign.py": {"os", "io", "socket", "subprocess", "time", "random", "asyncio"},
    "rollout/draft.py": {"os", "io", "socket", "subprocess", "time", "random", "asyncio"},
    "rollout/orders.py": {"os", "io", "socket", "subprocess", "time", "random", "asyncio"},
    "rollout/speed.py": {"os", "io", "socket", "subprocess", "time", "random", "asyncio"},
    "rollout/lint.py": {"os", "io", "socket", "subprocess", "time", "random", "asyncio"},
    "rollout/state.py": {"os", "io", "socket", "subprocess", "time", "random", "asyncio"},
    "rollout/words.py": {"os", "io", "socket", "subprocess", "time", "random", "asyncio"},
    **{
        f"node/dns/{name}.py": {
            "os",
            "io",
            "socket",
            "subprocess",
            "time",
            "random",
            "asyncio",
            "pathlib",
        }
        for name in ("book", "memory", "wire", "words")
    },
    "node/course.py": {"os", "io", "socket", "subprocess", "time", "random", "asyncio", "pathlib"},
    "node/hearing.py": {"os", "io", "socket", "subprocess", "time", "random", "asyncio", "pathlib"},
    "node/standing.py": {
        "os",
        "io",
        "socket",
        "subprocess",
        "time",
        "random",
        "asyncio",
        "pathlib",
    },
    "node/candidacy.py": {
        "os",
        "io",
        "socket",
        "subprocess",
        "time",
        "random",
        "asyncio",
        "pathlib",
    },
    "node/moves.py": {"os", "io", "socket", "subprocess", "time", "random", "asyncio", "pathlib"},
    "release/guard.py": {"os", "io", "socket", "subprocess", "time", "random", "asyncio"},
    "telemetry/windows.py": {"os", "io", "socket", "subprocess", "time", "random", "asyncio"},
    "telemetry/stats.py": {"os", "io", "socket", "subprocess", "time", "random", "asyncio"},
    "telemetry/why.py": {"os", "io", "socket", "subprocess", "time", "random", "asyncio"},
}
FILES = sorted(SOURCE.rglob("*.py"))


@cache
def _imports(file: Path) -> list[tuple[int, str]]:
    found = []
    for node in ast.walk(ast.parse(file.read_text())):
        if isinstance(node, ast.Import):
            found += [(node.lineno, alias.name) for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{file}:{node.lineno}: relative import"
            found.append((node.lineno, node.module or ""))
            found += [(node.lineno, f"{node.module}.{alias.name}") for alias in node.names]
    return found


def _package(dotted: str) -> str:
    parts = dotted.split(".")
    return parts[1] if len(parts) > 1 else "__init__"


def test_the_files_to_check_are_there() -> None:
    assert len(FILES) > 30


def test_imports_point_one_way() -> None:
    wrong = [problem for file in FILES for problem in _against_the_order(file)]
    assert not wrong, "\n".join(wrong)


def _against_the_order(file: Path) -> Iterator[str]:
    own = file.relative_to(SOURCE).parts[0].removesuffix(".py")
    if own == "__main__":
        own = "cli"
    if own not in RANKS:
        yield f"{own} has no place in the import order"
        return
    for line, name in _imports(file):
        if not name.startswith("seawall."):
            continue
        other = _package(name)
        if other == "__version__" or other not in RANKS:
            continue
        reason = EXTRA_EDGES_REFUSED.get((own, other))
        if reason is not None:
            yield f"{file}:{line}: {reason}"
        if other != own and RANKS[other] >= RANKS[own]:
            yield f"{file}:{line}: {own} imports {other}, which stands above it in the import order"


def test_node_takes_only_the_ports_from_rollout() -> None:
    wrong = [
        f"{file}:{line}: imports {name}"
        for file in FILES
        if file.relative_to(SOURCE).parts[0] == "node"
        for line, name in _imports(file)
        if name.startswith("seawall.rollout") and not name.startswith("seawall.rollout.ports")
    ]
    assert not wrong, "\n".join(wrong)


@pytest.mark.parametrize("part", PURE)
def test_deciding_code_does_no_input_or_output(part: str) -> None:
    place = SOURCE / part
    files = sorted(place.rglob("*.py")) if place.is_dir() else [place]
    assert files
    for file in files:
        for line, name in _imports(file):
            assert name.split(".")[0] not in PURE[part], f"{file}:{line}: {name} in pure code"
