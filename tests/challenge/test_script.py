"""What the script of a challenge page does with an answer, without a browser."""

import json
import shutil
import subprocess
from importlib import resources
from typing import Any

import pytest

from seawall.bots import web_scripts

NODE = shutil.which("node") or ""
PAGE = """
const did = [];
const made = {};
const make = (id) => ({ set textContent(text) { did.push(id + ": " + text); } });
const element = (id) => (made[id] = made[id] || make(id));
made.seawall = { dataset: page.data };
made.resend = page.form ? { form: true } : null;
for (const name of ["onward", "lost"]) made[name] = page.form ? null : element(name);
globalThis.document = {
  readyState: "complete",
  currentScript: { nonce: "n" },
  documentElement: {},
  getElementById: (id) => (id in made ? made[id] : element(id)),
  querySelector: element,
};
globalThis.window = { stop() {} };
globalThis.location = {
  href: "https://shop.example/post",
  hash: "",
  reload: () => did.push("reload"),
  replace: (to) => did.push("replace " + to),
};
const kept = { seawall: page.before };
globalThis.sessionStorage = {
  getItem: (name) => kept[name] || null,
  setItem: (name, value) => void (kept[name] = value),
};
globalThis.getComputedStyle = () => ({ getPropertyValue: () => '"proof"' });
globalThis.fetch = async () => ({ json: async () => page.answer });
process.on("exit", () => console.log(JSON.stringify(did)));
"""
WORDS = {"wform": "press", "whuman": "human", "whumanHeading": "sorry", "wchecking": "checking"}


def does(answer: dict[str, object], *, form: bool = False, **more: Any) -> list[str]:
    """What the page does when the service answers so.

    Args:
        form: the page keeps a form that is sent again.
        more: `data-` attributes; `before` is what the tab remembers of pages before.
    """
    before = more.pop("before", None)
    data = {"challenge": "c1", "to": "/post", "solve": "/solve", "lost": "", **WORDS, **more}
    page = {"answer": answer, "form": form, "data": data, "before": before}
    source = resources.files("seawall.challenge").joinpath("static", "script.js").read_text()
    script = web_scripts.closed("  const probes = async () => 0;\n", source)
    told = subprocess.run(
        [NODE, "-e", f"const page = {json.dumps(page)};{PAGE}{script}"],
        capture_output=True,
        text=True,
        timeout=30,
        check=True,
    )
    found: list[str] = json.loads(told.stdout)
    return [one for one in found if one != "status: checking"]


needs_node = pytest.mark.skipif(not NODE, reason="no Node.js on this machine")
AGAIN = {"do": "again"}


@needs_node
@pytest.mark.parametrize("refresh", ["/refresh?c=c1", ""])
def test_a_form_whose_challenge_is_over_is_sent_again_for_a_new_one(refresh: str) -> None:
    assert does(AGAIN, form=True, refresh=refresh) == ["reload"]


@needs_node
def test_other_pages_are_opened_anew_for_a_new_challenge() -> None:
    assert does(AGAIN) == ["replace https://shop.example/post"]
    assert does(AGAIN, lost="own") == ["reload"]
    assert does(AGAIN, lost="foreign", refresh="/refresh?c=c1") == ["replace /refresh?c=c1"]


@needs_node
@pytest.mark.parametrize("form", [False, True])
def test_three_new_challenges_in_a_row_end_in_words(form: bool) -> None:
    before = "[2, 99999999999999]"
    assert does(AGAIN, form=form, before=before)[-1] == "status: human"
