"""A plain `apply` is read as the library reads it, or left to it; and loads little."""

import subprocess
import sys
from collections.abc import Mapping, Sequence
from contextlib import suppress

import pytest
import typer
from hypothesis import event, example, given, settings
from hypothesis import strategies as st

from seawall.cli import applying, quick
from seawall.cli.applying import Order
from seawall.cli.main import app
from seawall.cli.quick import PlainApply, plain_apply
from seawall.cli.target import Target
from seawall.console.output import Output
from seawall.exit_codes import DONE

_COMMAND = typer.main.get_command(app)
_TYPED = (
    "--config|-c|--data-dir|-d|--url|--token|--format|-f|--message|-m|--break-glass|--force|"
    "--dry-run|--watch|-w|--no-wait|--help|-h|--|--config=a.yaml|--message=|--force=taster|-cx|"
    "--format=json|json|text|JSON|a.yaml|./b c|~/x|$HOME|http://e:1|-|-x|-wm|--conf|--no-watch|"
    "because|\udc80|\xe4\u2028|\x07|0| "
)
_WORDS = st.sampled_from(_TYPED.split("|"))
_LINES = st.lists(_WORDS, max_size=7).map(lambda words: ["apply", *words])
_GOOD = st.lists(
    st.sampled_from(
        [
            *(["--config", "a.yaml"], ["-c", "dir/b.yaml"], ["--data-dir=here"], ["-d", "d d"]),
            *(["--url", "http://e:1"], ["--token", "t"], ["--format", "json"], ["-f", "text"]),
            *(["--message", "because it is"], ["-m=x", "x"], ["--break-glass=fire"], ["-w"]),
            *(["--force", "taster"], ["--force=clients"], ["--dry-run"], ["--no-wait"]),
        ]
    ),
    max_size=6,
).map(lambda parts: ["apply", *(word for part in parts for word in part)])
_ENVIRONMENT = st.dictionaries(
    st.sampled_from(
        ["SEAWALL_CONFIG", "SEAWALL_DATA_DIR", "SEAWALL_URL", "SEAWALL_TOKEN", "SEAWALL_TRACEBACK"]
    ),
    st.sampled_from(["e.yaml", "/e", "http://e:2", "", "-x", " "]),
    max_size=2,
)


def _by_the_library(arguments: Sequence[str], environment: Mapping[str, str]) -> PlainApply | None:
    """What the library makes of it; None where it refuses, or says something else."""
    told: list[PlainApply] = []

    def keep(output: Output, target: Target, order: Order) -> int:
        told.append(PlainApply(target, order, output.json_format))
        return DONE

    with pytest.MonkeyPatch.context() as patch:
        for name in ("CONFIG", "DATA_DIR", "URL", "TOKEN", "TRACEBACK"):
            patch.delenv(f"SEAWALL_{name}", raising=False)
        for name, value in environment.items():
            patch.setenv(name, value)
        patch.setattr(applying, "apply", keep)
        with suppress(typer.Exit, typer.TyperException, SystemExit):
            _COMMAND.main(list(arguments), prog_name="seawall", standalone_mode=False)
    return told[0] if told else None


@settings(deadline=None, max_examples=250)
@given(st.one_of(_GOOD, _LINES), _ENVIRONMENT)
@example(["apply"], {})
@example(["apply", "--dry-run", "-c", "x", "--force", "a", "--force", "b", "-m", "c"], {})
def test_what_is_read_here_is_what_the_library_reads(
    arguments: list[str], environment: dict[str, str]
) -> None:
    found = plain_apply(arguments, environment)
    event("left to the library" if found is None else "read here")
    if found is not None:
        assert found == _by_the_library(arguments, environment)


@pytest.mark.parametrize(
    "arguments",
    [
        *([], ["status"], ["applyx"], ["--config", "x", "apply"], ["apply", "more"]),
        *(["apply", "--help"], ["apply", "-h"], ["apply", "--"], ["apply", "--config"]),
        *(["apply", "-m", ""], ["apply", "-m", "-w"], ["apply", "-w", "--watch"]),
        *(["apply", "--dry-run=yes"], ["apply", "--force", ""], ["apply", "-c", "a", "-c", "b"]),
        *(["apply", "--format", "xml"], ["apply", "-cx"], ["apply", "-c=x"], ["apply", "--dry"]),
    ],
)
def test_what_is_not_plain_is_left_to_the_library(arguments: list[str]) -> None:
    assert plain_apply(arguments, {}) is None


def test_what_the_environment_says_stands_in_for_options() -> None:
    told = plain_apply(["apply", "-d", "d"], {"SEAWALL_CONFIG": "c", "SEAWALL_DATA_DIR": "e"})
    assert told is not None
    assert (str(told.order.config), str(told.target.data_dir)) == ("c", "d")
    assert plain_apply(["apply"], {"_SEAWALL_COMPLETE": "complete_bash"}) is None


def test_every_option_is_known_here() -> None:
    params = _COMMAND.commands["apply"].params  # type: ignore[attr-defined]  # - a group of them
    options = {word for each in params for word in (*each.opts, *each.secondary_opts)}
    assert {*quick._VALUES, *quick._FLAGS} == options - {"--help", "-h"}


def test_a_request_is_on_its_way_before_its_answer_can_be_read() -> None:
    heavy = {"typer", "rich", "pydantic", "grpc", "seawall.model", "seawall.api.views"}
    code = f"import sys, seawall.cli.quick; print(*({heavy!r} & sys.modules.keys()))"
    ran = subprocess.run(
        [sys.executable, "-P", "-c", code], capture_output=True, text=True, check=True
    )
    assert ran.stdout.split() == []
