"""Bots on a real `seawall up`: a TLS client is seen, scored by a pushed model, and told about."""

import ssl
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from bot_models import random_content
from helpers import free_port, wait_until
from raw_http import RawClient
from seawall.api.status_views import BotsView
from seawall.demo.website import running_website
from seawall_process import Edge, seawall_up

AGENT = "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0"


def _site_file(port: int, tls_port: int, origin: str) -> str:
    return f"""version: 1
listen: {{http: 127.0.0.1:{port}, https: 127.0.0.1:{tls_port}}}
tls: {{development_ca: true}}
sites:
  shop:
    hosts: [shop.localhost]
    origin: "{origin}"
  strict:
    hosts: [strict.localhost]
    origin: "{origin}"
    bots:
      mode: enforce
      rules:
        - {{name: closed, when: path == "/closed", do: block}}
        - {{name: careful, when: path == "/careful", do: challenge}}
        - {{name: mute, when: path == "/mute" and accept_language is absent, do: block}}
  watched:
    hosts: [watched.localhost]
    origin: "{origin}"
    bots:
      mode: observe
      rules:
        - {{name: closed, when: path == "/closed", do: block}}
  quiet:
    hosts: [quiet.localhost]
    origin: "{origin}"
    bots: off
rollout: {{steps: [{{share: 10%, soak: 0s, deadline: 2s}}], bake: 1s}}
"""


class Asking:
    """A client of the running edge."""

    def __init__(self, edge: Edge, tls_port: int) -> None:
        self.edge, self.tls_port = edge, tls_port
        authority = wait_until(
            lambda: next(iter(edge.data_dir.rglob("ca.pem")), None), what="an authority"
        )
        self.context = ssl.create_default_context(cafile=str(authority))

    def ask(self, site: str, path: str = "/", agent: str = AGENT) -> tuple[int, str]:
        """Status and request id of one request on a connection of its own."""
        host = f"{site}.localhost"
        lines = (f"host: {host}", f"user-agent: {agent}", "accept: text/html")
        with RawClient(self.tls_port, tls=self.context, sni=host) as client:
            client.send("\r\n".join((f"GET {path} HTTP/1.1", *lines, "", "")).encode())
            answer = client.response()
        return answer.status, answer.header("x-request-id") or ""

    def ask_until_served_by(self, release: str) -> str:
        """The id of a request to `shop` that a new release served."""

        def served() -> str:
            status, request_id = self.ask("shop")
            assert status == 200
            by = self.edge.wait_for_record(request_id)["release"]
            return request_id if by == release else ""

        return wait_until(served, what="a request that the new release serves", deadline_s=40)

    def why(self, request_id: str) -> Any:
        """The story, once the record is written."""
        self.edge.wait_for_record(request_id)
        return self.edge.json("why", request_id)


@pytest.fixture(scope="module")
def asking(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Asking]:
    port, tls_port = free_port(), free_port()
    with running_website() as website:
        text = _site_file(port, tls_port, f"http://127.0.0.1:{website}")
        directory = tmp_path_factory.mktemp("bots")
        with seawall_up(directory, "", port=port, text=text) as edge:
            # Until then who would be challenged passes.
            wait_until(
                (edge.data_dir / "node" / "bots.sock").exists, what="the bot service listens"
            )
            yield Asking(edge, tls_port)


def test_a_client_that_contradicts_itself_is_told_in_plain_words(asking: Asking) -> None:
    status, request_id = asking.ask("shop")
    assert status == 200
    told = asking.why(request_id)
    text = " ".join(told["story"])
    assert "Its user agent claims Firefox, but its handshake is that of" in text
    assert "they contradict each other." in text
    assert "It is the first request of its client in 10 minutes." in text
    assert "No rule matched, so it passed." in text
    assert told["record"]["ja4"].startswith("t13d")
    assert told["record"]["bots"].split(" ")[1] == "observe"


def test_a_rule_refuses_where_it_is_enforced_and_is_told_where_it_is_not(asking: Asking) -> None:
    status, request_id = asking.ask("strict", "/closed")
    assert status == 403
    told = asking.why(request_id)
    assert "Rule closed refused it (403)." in told["story"]
    assert "The bot filter answered this, as the site's bot policy says." in told["story"]
    assert "rule closed of site strict" in told["remedy"]
    status, request_id = asking.ask("watched", "/closed")
    assert status != 403
    assert (
        "Rule closed would have refused it (403); the site only observes, so it passed."
    ) in asking.why(request_id)["story"]


def test_who_is_challenged_is_told_so(asking: Asking) -> None:
    status, request_id = asking.ask("strict", "/careful")
    assert status == 403
    told = asking.why(request_id)
    assert "Rule careful challenged it." in told["story"]
    assert not [sentence for sentence in told["story"] if "passed all the same" in sentence]
    assert "rule careful of site strict" in told["remedy"]


def test_what_a_rule_without_a_score_asked_for_is_told(asking: Asking) -> None:
    status, request_id = asking.ask("strict", "/mute")
    assert status == 403
    told = asking.why(request_id)
    asked = "path (/mute) and accept_language (absent: it sends no accept-language)"
    assert f"Rule mute asked for {asked}." in told["story"]
    assert [(fact["rule"], fact["name"], fact["state"]) for fact in told["facts"]] == [
        ("mute", "path", "told"),
        ("mute", "accept_language", "absent"),
    ]


def test_bots_off_leaves_no_text(asking: Asking) -> None:
    told = asking.why(asking.ask("quiet")[1])
    assert told["record"]["bots"] == ""
    assert "Bot detection is off on this route." in told["story"]


def test_a_pushed_model_scores_and_is_named_with_its_release(
    asking: Asking, tmp_path: Path
) -> None:
    model = tmp_path / "model.json"
    model.write_bytes(random_content(11, trees=20))
    pushed = asking.edge.json("feed", "push", "bot-model", str(model), "--force", "score-drift")
    release = pushed["release"]["id"]

    told = asking.why(asking.ask_until_served_by(release))
    text = " ".join(told["story"])
    score = int(told["record"]["bots"].split(" ")[0])
    assert f"Its score is {score} of 99 (1 automated, 99 human)" in text
    assert f"gave it; release {release} brought it." in text
    assert "It looks automated because " in text or "It looks human because " in text
    assert "The model now gives" not in text


def test_status_tells_how_much_is_scored_and_refused(asking: Asking) -> None:
    def told() -> BotsView | None:
        asking.ask("shop")
        seen = asking.edge.status()
        bots = seen.bots if seen is not None else None
        return bots if bots is not None and bots.requests and bots.sampled else None

    bots = wait_until(told, what="a window with bots, and the newest records", deadline_s=60)
    assert bots is not None
    assert bots.scored_share is not None
    assert 0 <= bots.scored_share <= 1
    assert (bots.errors, bots.unavailable) == (0, 0)
    text = asking.edge.run("status").stdout
    assert "scored" in next(line for line in text.splitlines() if line.startswith("bots"))


def test_a_shadow_scores_beside_the_model_is_compared_and_promoted(
    asking: Asking, tmp_path: Path
) -> None:
    shadow = tmp_path / "shadow.json"
    shadow.write_bytes(random_content(12, trees=20))
    edge = asking.edge
    pushed = edge.json("feed", "push", "bot-model-shadow", str(shadow))
    release = pushed["release"]["id"]

    told = asking.why(asking.ask_until_served_by(release))
    text = " ".join(told["story"])
    found = edge.json("feed", "list")
    digest = found["shadow"]["id"]
    own, _, named = told["record"]["bots"].split(" ")[6].partition(":")
    assert named == digest
    assert f"The shadow model random ({digest}) gives it {own}. A shadow decides nothing." in text

    def counted() -> Any:
        asking.ask("shop")
        with edge.client() as client:
            bots = client.status().bots
        seen = bots.shadow if bots is not None else None
        return seen if seen is not None and seen.compared else None

    seen = wait_until(counted, what="a window in which both scored", deadline_s=60)
    assert (seen.id, seen.errors) == (digest, 0)
    assert edge.json("status")["bots"]["shadow"]["compared"]
    assert digest in edge.run("status").stdout
    report = edge.json("bots", "shadow")
    assert (report["state"], report["advice"], report["shadow"]) == ("too-little", "wait", digest)
    assert report["compared"] > 0
    offline = edge.json("bots", "shadow", "--records", str(edge.data_dir / "access"))
    assert (offline["model"], offline["shadow"]) == (report["model"], digest)
    refused = edge.run("bots", "promote", "00000000")
    assert refused.returncode != 0
    promoted = edge.json("bots", "promote", digest, "--force", "score-drift")
    assert promoted["release"]["kind"] == "feed"
    found = edge.json("feed", "list")
    assert (found["model"]["id"], found["shadow"]) == (digest, None)
    assert edge.json("bots", "shadow")["state"] == "absent"
    assert edge.run("bots", "unshadow").returncode != 0
