"""docs/operations.md says what the code does: commands, files and tables hold."""

import re
import shlex
from pathlib import Path

import click
import pytest
import typer.main

from seawall import limits
from seawall.cli.main import app
from seawall.model import FEATURES
from seawall.site.feeds import FEED_TYPES, read_feed
from site_text import load_text

PAGE = (Path(__file__).parents[2] / "docs" / "operations.md").read_text()
BLOCKS = re.findall(r"```(\w*)\n(.*?)```", PAGE, re.DOTALL)
COMMANDS = [
    line for _, block in BLOCKS for line in block.splitlines() if line.startswith("seawall ")
]
LIST = next(block for _, block in BLOCKS if block.startswith("192.0.2.0/24"))
SITE = next(block for kind, block in BLOCKS if kind == "yaml")


@pytest.mark.parametrize("line", COMMANDS)
def test_every_command_of_the_page_is_understood(line: str) -> None:
    command = typer.main.get_command(app)
    words = shlex.split(line)[1:]
    context = click.Context(command)
    while isinstance(command, click.Group):
        found = command.get_command(context, words[0])
        assert found is not None, words
        command, words = found, words[1:]
    command.make_context(line, list(words), resilient_parsing=False)


def test_the_site_file_and_the_list_of_the_page_are_good() -> None:
    loaded = load_text(SITE, {"lists/bad-clients.txt": LIST.encode()})
    assert loaded.edge is not None, loaded.problems
    assert loaded.problems == ()
    (bad, reported) = loaded.edge.lists
    assert len(bad.networks) == 3
    assert reported.networks == ()


def test_the_maintenance_page_is_good_and_its_bake_too_short_for_the_brake() -> None:
    loaded = load_text(next(block for _, block in BLOCKS if "name: maintenance" in block))
    assert loaded.edge is not None, loaded.problems
    assert loaded.problems == ()
    assert loaded.edge.rollout.bake_s < limits.JUDGE_SPANS_MIN * limits.JUDGE_SPAN_S


def test_the_table_of_features_is_the_one_in_the_code() -> None:
    rows = re.findall(r"^\| `([a-z-]+)` \| (.*?) \| (yes)? ?\|$", PAGE, re.MULTILINE)
    written = {name: (words, bool(opens)) for name, words, opens in rows if name in set(FEATURES)}
    assert {name: opens for name, (_, opens) in written.items()} == {
        feature.value: bool(about.opens) for feature, about in FEATURES.items()
    }
    for feature, about in FEATURES.items():
        assert written[feature][0].partition(";")[0][:20].lower() in about.without.lower()


def test_the_numbers_of_the_page_are_the_limits() -> None:
    assert limits.SWITCH_TTL_S == 30 * 60
    assert (limits.SWITCH_TTL_S_MIN, limits.SWITCH_TTL_S_MAX) == (10, 7 * 86_400)
    assert (limits.LIST_PREFIX_IPV4_MIN, limits.LIST_PREFIX_IPV6_MIN) == (8, 16)


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"# nothing\n",
        b"192.0.2.0/24",
        b"192.0.2.0/24\n\xff\n",
        b"192.0.2.0/24\nnonsense\n",
        b"192.0.2.0/24\n192.0.2.0/24\n",
        b"192.0.2.0/24\n192.0.2.7\n",
        b"192.0.2.1/24\n",
        b"2001:DB8::/32\n",
        b"10.0.0.0/7\n",
        b"0.0.0.0/0\n",
        b"::/0\n",
        b"2000::/3\n",
        b"::ffff:192.0.2.1\n",
        b"192.0.2.0/255.255.255.0\n",
        b"192.0.2.0/33\n",
        b"fe80::1%eth0\n",
        b"192.0.2.0/24 198.51.100.0/24\n",
        b"x" * 2000 + b"\n",
        b"\x00\n",
        b"#" * (limits.LIST_SIZE_BYTES_MAX + 1),
    ],
)
def test_what_the_page_says_is_refused_is_refused(content: bytes) -> None:
    parsed = read_feed(FEED_TYPES["cidr"], content, may_be_empty=False)
    assert parsed.faults
    assert not parsed.entries
    assert all(fault.what and fault.remedy for fault in parsed.faults)
    assert len(parsed.faults) <= limits.LIST_PROBLEMS_MAX + 1
