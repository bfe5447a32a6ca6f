"""A score in words that a person can follow."""

import pytest

from bot_models import random_model
from seawall.bots.features import CODE_MAX, FEATURES, INDEX, Feature, to_text
from seawall.errors import UsageError
from seawall.learn.explain import cases, explain, words

BY_NAME = {feature.name: feature for feature in FEATURES}


@pytest.mark.parametrize(
    ("name", "code", "said"),
    [
        ("tls-version", 2, "tls version: TLS 1.3"),
        ("tls-sni", 1, "server name: not sent"),
        ("tls-family", 1, "family of clients with this JA4: chromium"),
        ("tls-family", 90, "family of clients with this JA4: 90"),
        ("tls-known", 2, "JA4: known but for its last part"),
        ("tls-ciphers", 17, "cipher suites offered: 17"),
        ("hints-brand", 4, "client hints: contradict it"),
        ("generation-gap", 48, "claimed less seen browser generation: +3"),
        ("generation-gap", 0, "45 plus claimed less seen browser generation: absent"),
        ("pseudo-order", 5, "HTTP/2 pseudo-headers: other"),
        ("accept-language", 1, "accept language: any"),
        ("accept-language", 3, "accept language: 2 languages"),
        ("path-kind", 3, "path kind: image, font or media"),
        ("path-kind", 10, "path kind: what only scanners ask for"),
        ("te", 0, "sends te: no"),
        ("te", 1, "sends te: yes"),
        ("errors-60s", 0, "share of answers 400 and up of this client in the last minute: absent"),
        ("errors-60s", 4, "share of answers 400 and up of this client in the last minute: 30 %"),
        ("query-length", 1, "characters of the query: 1"),
        ("query-length", 17, "characters of the query: 16 to 19"),
        ("fetch-site", 60, "fetch site: 60"),
        ("order-first", 18, "which header comes first: host"),
        ("order-first", 30, "which header comes first: another"),
    ],
)
def test_a_code_in_words(name: str, code: int, said: str) -> None:
    assert words(BY_NAME[name], code) == said


@pytest.mark.parametrize("feature", FEATURES, ids=lambda f: f.name)
def test_every_code_has_words(feature: Feature) -> None:
    found = BY_NAME[feature.name]
    for code in range(CODE_MAX + 1):
        assert words(found, code)
    listed = cases(found)
    assert sorted(listed) == list(range(1, len(listed) + 1))


def test_reasons_come_from_the_model_with_the_largest_first() -> None:
    model = random_model(4)
    codes = tuple(min(index % 7, feature.most) for index, feature in enumerate(FEATURES))
    found = explain(model, f"- observe - - - 01234567 {to_text(codes)} 0123456789abcdef.3")
    assert found == explain(model, to_text(codes) + "\n")
    assert found.score == model.score(codes)
    assert found.margin == model.margin(codes)
    assert [each.moved for each in found.reasons] == [
        moved for moved in model.reasons(codes).values() if moved
    ]
    assert all(each.code == codes[INDEX[each.feature]] for each in found.reasons)


@pytest.mark.parametrize(
    "text",
    [
        *("", " ", "-", "x y \x01", "- observe - - - - $$$", "#" * 65, "é"),
        *("nonsense", "3c143380-e450-4de1-a983-9cb036435404"),
    ],
)
def test_what_is_no_vector_is_told(text: str) -> None:
    with pytest.raises(UsageError, match="not a feature vector"):
        explain(random_model(1), text)
