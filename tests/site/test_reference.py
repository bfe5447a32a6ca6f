"""The reference pages are made from the schema: whole, and with examples that hold."""

from pathlib import Path

import pytest

from seawall.site.parse import parse
from seawall.site.reference import problems_markdown, reference_markdown
from seawall.site.reference_examples import EXAMPLES
from seawall.site.schema.base import Section

DOCS = Path(__file__).parents[2] / "docs"


def _all_sections(base: type[Section]) -> set[type[Section]]:
    return {base}.union(*(_all_sections(one) for one in base.__subclasses__()))


def test_every_section_of_the_schema_is_described() -> None:
    assert _all_sections(Section) - {Section} == {model for _, model, _ in EXAMPLES}


@pytest.mark.parametrize(("title", "model", "example"), EXAMPLES, ids=lambda part: str(part)[:20])
def test_the_example_of_a_section_is_valid(title: str, model: type[Section], example: str) -> None:
    tree, problems = parse(title, example.encode())
    assert problems == []
    assert tree is not None
    model.model_validate(tree)


def test_every_key_has_a_description_in_a_sentence() -> None:
    for _, model, _ in EXAMPLES:
        for name, info in model.model_fields.items():
            assert info.description, f"{model.__name__}.{name}"


def test_the_pages_are_fresh() -> None:
    assert (DOCS / "site-file.md").read_text("utf-8") == reference_markdown(), "run `make docs`"
    assert (DOCS / "problems.md").read_text("utf-8") == problems_markdown(), "run `make docs`"
