"""Envoy's words: the reason stays, dumps and private keys go, wherever the output was cut."""

from hypothesis import given
from hypothesis import strategies as st

from seawall import limits
from seawall.compiler.words import readable

BODY = "MIGHAgEAMBMGByqGSM49AgEG"
KEY = f"-----BEGIN EC PRIVATE KEY-----\\n{BODY}\\n{BODY}\\n-----END EC PRIVATE KEY-----\\n"
DUMP = (
    "error initializing configuration 'b.pb': goo.gle/debugonly  \nstatic_resources {\n"
    f'  secrets {{ inline_bytes: "{KEY}" }}\n}}\n: Proto constraint validation failed '
    "(BootstrapValidationError.StaticResources: embedded message failed validation)\n"
)


def test_a_plain_reason_stays_as_it_is() -> None:
    assert readable("The table size of maglev must be prime number\n") == (
        "The table size of maglev must be prime number"
    )


def test_what_stands_before_the_reason_goes() -> None:
    assert readable("noise\nerror initializing configuration 'x.pb': missing ): (\n") == (
        "missing ): ("
    )


def test_a_dump_goes_and_its_reason_stays() -> None:
    assert readable(DUMP) == (
        "Proto constraint validation failed "
        "(BootstrapValidationError.StaticResources: embedded message failed validation)"
    )


def test_a_refusal_over_xds_keeps_the_name_before_the_dump() -> None:
    nack = f"Error adding/updating secret shop: goo.gle/debugproto \nx: 1\n{KEY}: Proto constraint"
    words = readable(f"{nack} validation failed (X)")
    assert words == "Error adding/updating secret shop: Proto constraint validation failed (X)"


@given(st.integers(0, len(DUMP)))
def test_no_cut_lets_a_key_through(cut: int) -> None:
    assert BODY not in readable(DUMP[:cut])
    # The middle is lost, from inside the key on: what is left of it has no end mark.
    assert BODY not in readable(DUMP[: DUMP.index(BODY) + len(BODY) + 9] + DUMP[cut:])


def test_the_reason_stays_when_the_middle_was_lost_inside_a_key() -> None:
    cut = DUMP[: DUMP.index(BODY) + 9] + DUMP[DUMP.index("}\n}\n: Proto") :]
    assert readable(cut) == readable(DUMP)


def test_a_tail_that_begins_inside_a_key_shows_nothing_of_it() -> None:
    assert BODY not in readable(DUMP[DUMP.index(BODY) + 3 :])


@given(st.text())
def test_any_text_becomes_one_bounded_line(text: str) -> None:
    words = readable(text * 50)
    assert len(words) <= limits.ENVOY_MESSAGE_LENGTH_CHARS_MAX
    assert "\n" not in words
