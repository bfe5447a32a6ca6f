import pytest
from hypothesis import given
from hypothesis import strategies as st

from seawall.challenge import keys
from seawall.errors import RefusedError


def counted(start: int = 0) -> object:
    state = [start]

    def random_bytes(size: int) -> bytes:
        state[0] += 1
        return bytes([state[0]]) * size

    return random_bytes


def test_a_first_key_and_its_time() -> None:
    dated = keys.read(keys.fresh(counted(), 1000.7))
    assert dated.keys.current.kid == "k1"
    assert dated.keys.previous is None
    assert dated.issued_s == 1000


def test_a_rotation_keeps_the_key_before_and_no_other() -> None:
    random_bytes = counted()
    content = keys.fresh(random_bytes, 0)
    for turn in range(1, 5):
        before = keys.read(content).keys.current
        content = keys.rotated(content, random_bytes, turn * 86_400)
        dated = keys.read(content)
        assert dated.keys.previous == before
        assert dated.keys.current.kid == f"k{turn + 1}"
        assert dated.issued_s == turn * 86_400
        assert len(list(dated.keys)) == 2


@given(st.binary(max_size=300))
def test_whatever_is_no_key_is_refused_without_being_shown(content: bytes) -> None:
    with pytest.raises(RefusedError) as caught:
        keys.read(content)
    assert content == b"" or repr(content) not in str(caught.value)


@pytest.mark.parametrize("cut", [0, 1, 10, 40, 80])
def test_a_cut_off_content_is_refused(cut: int) -> None:
    whole = keys.rotated(keys.fresh(counted(), 0), counted(9), 5)
    with pytest.raises(RefusedError):
        keys.read(whole[:cut] + b"\n" * (cut % 2))
