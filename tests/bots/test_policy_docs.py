"""docs/bot-policy.md says what the code does."""

import math
import re
from pathlib import Path

from seawall import limits
from seawall.bots.expression_names import NAMES, Type
from seawall.bots.features import FEATURES, INDEX, Kind
from seawall.bots.kinds import KINDS
from seawall.bots.policy import DEFAULT_CATEGORIES, DEFAULT_RULES
from seawall.model import BotAction, BotDo
from site_text import HEAD, load_text

PAGE = (Path(__file__).parents[2] / "docs" / "bot-policy.md").read_text("utf-8")
ROWS = [
    [cell.strip() for cell in line.strip("| ").split(" | ")]
    for line in PAGE.splitlines()
    if line.startswith("| `")
]


def test_every_name_of_the_language_is_listed_and_no_other_feature() -> None:
    listed = {name for row in ROWS for name in re.findall(r"`([a-z0-9_]+)`", row[0])}
    assert set(NAMES) <= listed
    features = {row[0].strip("`"): row[1] for row in ROWS}
    for name in NAMES.values():
        if name.type is Type.CODE:
            assert features[name.text] == name.meaning


def test_what_a_size_stands_as_is_what_the_page_says() -> None:
    head, _, body = PAGE.partition("| n | ")[2].partition("\n|---")
    sizes = [int(cell.replace(",", "")) for cell in head.strip("| ").split(" | ")]
    codes = body.partition("stands as |")[2].partition("\n")[0].strip("| ").split(" | ")
    assert [int(code) for code in codes] == [1 + math.floor(4 * math.log2(n)) for n in sizes]
    for name in NAMES.values():
        if name.type is Type.CODE and FEATURES[INDEX[name.text.replace("_", "-")]].kind in (
            Kind.BUCKET,
            Kind.SHARE,
        ):
            assert name.scale, f"{name.text} is no plain number, and must say so"


def test_default_rules_are_the_ones_of_the_page() -> None:
    for rule in DEFAULT_RULES:
        (row,) = [row for row in ROWS if row[0] == f"`{rule.name}`"]
        assert f"`{rule.when}`" in row[1]
        assert row[2] == f"`{_words(rule.action)}`"


def test_default_categories_are_the_ones_of_the_page() -> None:
    for category, action in DEFAULT_CATEGORIES.items():
        (row,) = [row for row in ROWS if len(row) > 2 and row[0] == f"`{category}`"]
        assert row[2] == f"`{action.do}`"


def test_every_kind_is_explained() -> None:
    listed = {name for row in ROWS for name in re.findall(r"`([a-z-]+)`", row[0])}
    assert set(KINDS) <= listed


def test_the_example_of_the_page_is_a_good_site_file() -> None:
    (example,) = re.findall(r"```yaml\nsites:\n  shop:\n(.*?)```", PAGE, re.DOTALL)
    site = "sites:\n  shop:\n    hosts: [a.example]\n    origin: http://127.0.0.1:1\n"
    assert load_text(HEAD + site + example).problems == ()


def test_bounds_of_the_page_are_the_limits() -> None:
    assert f"at most {limits.BOT_EXPRESSION_LENGTH_CHARS_MAX:,} characters" in " ".join(
        PAGE.split()
    )


def _words(action: BotAction) -> str:
    if action.do is BotDo.RATE:
        return f"{{rate: {{requests: {action.requests}, per: {action.per_s}s}}}}"
    return str(action.do)
