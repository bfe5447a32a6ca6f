"""The bot model of an edge: pushed, from a file, or shipped; a bad one is a problem."""

import json
from dataclasses import replace

import pytest

from bot_models import random_content, random_model
from seawall.bots import artifact, starter
from seawall.bots.script import Script, script_text
from seawall.bots.scripted import scripted_model, scripted_shadow, without_shadow
from seawall.compiler.compile import compile_edge
from seawall.compiler.model_words import model_of
from seawall.site.load import Loaded, load
from seawall.site.sources import BOT_MODEL, BOT_SHADOW, Pushed, SourceFile, SourceSet

ROOT = "/etc/seawall/seawall.yaml"
TEXT = """version: 1
listen: {http: 127.0.0.1:8080}
sites:
  shop: {hosts: [shop.test], origin: "http://127.0.0.1:3000"}
"""
FROM_FILE = TEXT + "bots: {model: models/current.json}\n"
GOOD = random_content(7)
NO_BOTS = "return {}"


def loaded(text: str, *pushed: Pushed, files: dict[str, bytes] | None = None) -> Loaded:
    def read(path: str) -> bytes:
        try:
            return (files or {})[path]
        except KeyError:
            raise FileNotFoundError(2, "No such file", path) from None

    sources = SourceSet(ROOT, (SourceFile(ROOT, text.encode()),))
    return load(sources, read=read, now_s=1_800_000_000.0, pushed=pushed)


def pushed(content: bytes) -> Pushed:
    return Pushed(BOT_MODEL, content)


def test_what_is_pushed_scores_and_travels_with_the_release() -> None:
    found = loaded(TEXT, pushed(GOOD))
    assert found.edge is not None
    assert found.edge.bot_model is not None
    assert found.edge.bot_model.digest == artifact.digest(GOOD)
    assert found.pushed == (pushed(GOOD),)
    model = model_of(compile_edge(found.edge))
    assert model is not None
    assert artifact.digest(GOOD).startswith(model.id)


def test_without_a_push_it_is_the_starter_model_or_none(monkeypatch: pytest.MonkeyPatch) -> None:
    for content in (None, GOOD):
        monkeypatch.setattr("seawall.site.build_model.starter_content", lambda c=content: c)
        edge = loaded(TEXT).edge
        assert edge is not None
        assert (edge.bot_model and edge.bot_model.content) == content


def test_what_is_shipped_reads_back() -> None:
    content = starter.starter_content()
    assert content is None or artifact.read(content).golden


def test_a_file_of_the_site_file_comes_before_what_was_pushed() -> None:
    files = {"/etc/seawall/models/current.json": GOOD}
    found = loaded(FROM_FILE, pushed(random_content(8)), files=files)
    assert found.edge is not None
    assert found.edge.bot_model is not None
    assert found.edge.bot_model.content == GOOD
    assert found.pushed == ()
    assert [file.path for file in found.referenced] == ["/etc/seawall/models/current.json"]


def test_a_file_that_is_not_there_is_told() -> None:
    found = loaded(FROM_FILE)
    assert found.edge is None
    assert [problem.id for problem in found.problems] == ["file-missing"]


def changed(**changes: object) -> bytes:
    return json.dumps({**json.loads(GOOD), **changes}).encode()


FEATURES = json.loads(GOOD)["features"]


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "is refused"),
        (GOOD[:-100], "is refused"),
        (GOOD * 10, "is refused"),
        (b" " * (3 << 20), "at most 2,097,152 are read"),
        (changed(features=[f"feature_{n}" for n in range(201)]), "features"),
        (changed(features=[*FEATURES[:-1], FEATURES[0]]), "twice"),
        (changed(features=FEATURES[::-1]), "another meaning"),
        (changed(features=[*FEATURES[:-1], "colour"]), "'colour'"),
        (changed(golden=[{**g, "score": 50} for g in json.loads(GOOD)["golden"]]), "golden vector"),
        (changed(base=float("nan")), "is refused"),
    ],
    ids=lambda value: value if isinstance(value, str) else None,
)
def test_a_bad_model_is_a_problem_of_the_site_and_nothing_changes(
    content: bytes, words: str
) -> None:
    found = loaded(TEXT, pushed(content))
    assert found.edge is None
    (problem,) = found.problems
    assert problem.id == "bad-bot-model"
    assert problem.location.file == "what was pushed into bot-model"
    assert words in problem.what
    assert problem.remedy


@pytest.mark.parametrize("kind", [{}, {"kind": 1}, {"kind": "tokens"}])
def test_of_a_file_that_is_no_model_not_even_the_names_in_it_are_told(
    kind: dict[str, object],
) -> None:
    held = {"swt_secret": {"owner": "ada"}, "metrics": {"hidden": 1}, **kind}
    (problem,) = loaded(TEXT, pushed(json.dumps(held).encode())).problems
    assert "kind" in problem.what
    for word in ("swt_secret", "hidden", "ada", "tokens"):
        assert word not in problem.what


@pytest.mark.parametrize("name", ["bot-model", "bot-model-shadow"])
def test_no_list_takes_the_name_of_a_model(name: str) -> None:
    found = loaded(TEXT + f"lists: {{{name}: {{}}}}\n")
    assert "reserved-list" in [problem.id for problem in found.problems]


@pytest.mark.parametrize("seed", range(5))
def test_the_compiled_text_reads_back_with_the_same_scores(seed: int) -> None:
    model = random_model(seed)
    digest = artifact.digest(artifact.write(model))
    found = scripted_model(script_text(Script(NO_BOTS, model, digest)))
    assert found is not None
    assert (found.id, found.base, found.cuts) == (digest[:8], model.base, model.cuts)
    assert not found.wrong_golden()
    for other in random_model(seed + 100).golden:
        codes = [ord(character) - 35 for character in other.vector]
        assert found.margin(codes) == model.margin(codes)
        assert found.score(codes) == model.score(codes)


def test_text_without_a_model_or_with_a_damaged_one_holds_none() -> None:
    assert scripted_model(script_text(Script(NO_BOTS))) is None
    model = random_model(1)
    text = script_text(Script(NO_BOTS, model, "ab" * 32))
    assert scripted_model(text.replace('["roots"]="', '["roots"]="999999 ')) is None
    assert scripted_model(text.replace('["cuts"]="', '["cuts"]="1 ')) is None
    assert scripted_model(text.replace('["leaf"]="', '["leaf"]="one ')) is None
    wrong = replace(model, golden=tuple(replace(g, score=g.score % 99 + 1) for g in model.golden))
    found = scripted_model(script_text(Script(NO_BOTS, wrong, "cd" * 32)))
    assert found is not None
    assert "golden vector 0 scores" in found.wrong_golden()


WITH_SHADOW = TEXT + "bots: {shadow: models/next.json}\n"
OTHER = random_content(8)


def test_a_shadow_is_pushed_or_a_file_and_without_either_there_is_none() -> None:
    edge = loaded(TEXT, pushed(GOOD)).edge
    assert edge is not None
    assert edge.bot_shadow is None
    beside = Pushed(BOT_SHADOW, OTHER)
    found = loaded(TEXT, pushed(GOOD), beside)
    assert found.edge is not None
    assert found.edge.bot_model is not None
    assert found.edge.bot_shadow is not None
    assert found.edge.bot_model.content == GOOD
    assert found.edge.bot_shadow.digest == artifact.digest(OTHER)
    assert found.pushed == (pushed(GOOD), beside)
    named = loaded(WITH_SHADOW, beside, files={"/etc/seawall/models/next.json": GOOD})
    assert named.edge is not None
    assert named.edge.bot_shadow is not None
    assert named.edge.bot_shadow.content == GOOD
    assert named.pushed == ()
    assert [file.path for file in named.referenced] == ["/etc/seawall/models/next.json"]
    assert named.locations["list bot-model-shadow"].line == 5


def test_what_is_wrong_with_both_is_told_of_each() -> None:
    found = loaded(TEXT, pushed(GOOD[:-9]), Pushed(BOT_SHADOW, OTHER[:-9]))
    assert found.edge is None
    told = {(problem.subject, problem.location.file) for problem in found.problems}
    assert told == {
        ("bot model", "what was pushed into bot-model"),
        ("shadow bot model", "what was pushed into bot-model-shadow"),
    }


def test_a_shadow_changes_no_score_of_the_model_in_the_text() -> None:
    model, shadow = random_model(1), random_model(2)
    alone = script_text(Script(NO_BOTS, model, "ab" * 32))
    both = script_text(Script(NO_BOTS, model, "ab" * 32, shadow, "cd" * 32))
    assert scripted_model(both) == scripted_model(alone)
    assert without_shadow(both) == alone
    assert scripted_shadow(alone) is None
    read = scripted_shadow(both)
    assert read is not None
    for golden in shadow.golden:
        assert read.score([ord(character) - 35 for character in golden.vector]) == golden.score
