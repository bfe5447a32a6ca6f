"""The proof of work: find the counter whose Argon2id key begins as told.

The shape is ALTCHA's deterministic mode. The service picks a counter and computes its key before
anybody asks (`pool`). A browser is told the salt and the first bytes of the key, and tries counters
from zero until a key begins so. What it sends back is the whole key; the MAC of the puzzle covers
it, so checking a solution is one HMAC, forged ones included, and no memory is filled on anybody's
behalf.

Memory, passes and counters are constants of this program: a browser is told them and cannot choose.

    p1.kid.issued.salt.prefix.mac
"""

import base64
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from argon2.low_level import Type, hash_secret_raw

from seawall.challenge.binding import Bound, b64, mac, same
from seawall.challenge.signed import words_of
from seawall.limits import (
    CHALLENGE_LIFETIME_S,
    CHALLENGE_PUZZLE_MEMORY_KIB,
    CHALLENGE_PUZZLE_PASSES,
    CHALLENGE_PUZZLE_TRIES_MAX,
    CLEARANCE_CLOCK_SKEW_S,
)
from seawall.model.clearance import ClearanceKeys
from seawall.secret import Secret

KEY_SIZE_BYTES: Final = 32
PREFIX_SIZE_BYTES: Final = 8
"""No other counter's key begins so, but by a chance of 2^-60."""
SALT_SIZE_BYTES: Final = 16

_PUZZLE: Final = re.compile(
    r"p1\.([a-z0-9]{1,8})\.(0|[1-9][0-9]{0,10})\.([A-Za-z0-9_-]{22})\.([A-Za-z0-9_-]{11})"
    r"\.([A-Za-z0-9_-]{22})",
    re.ASCII,
)
_KEY: Final = re.compile(r"[A-Za-z0-9_-]{43}", re.ASCII)


@dataclass(frozen=True, slots=True)
class Kernel:
    """A puzzle computed ahead, for nobody yet: the salt, and the key to be found."""

    salt: bytes
    key: Secret


def make_kernel(random_bytes: Callable[[int], bytes]) -> Kernel:
    """One new kernel. Costs one Argon2id, some milliseconds; the interpreter's lock is free."""
    salt = random_bytes(SALT_SIZE_BYTES)
    # 2^16 is a multiple of the number of tries, so each counter is as likely.
    counter = int.from_bytes(random_bytes(2), "big") % CHALLENGE_PUZZLE_TRIES_MAX
    return Kernel(salt, Secret(key_of(salt, counter)))


def key_of(salt: bytes, counter: int) -> bytes:
    """The key of one counter (RFC 9106)."""
    return hash_secret_raw(
        secret=str(counter).encode("ascii"),
        salt=salt,
        time_cost=CHALLENGE_PUZZLE_PASSES,
        memory_cost=CHALLENGE_PUZZLE_MEMORY_KIB,
        parallelism=1,
        hash_len=KEY_SIZE_BYTES,
        type=Type.ID,
    )


def write_puzzle(
    kernel: Kernel, challenge: str, keys: ClearanceKeys, bound: Bound, *, now_s: float
) -> str:
    """The puzzle for one challenge text, signed together with the key that solves it."""
    key = kernel.key.reveal()
    body = f"p1.{keys.current.kid}.{int(now_s)}.{b64(kernel.salt)}.{b64(key[:PREFIX_SIZE_BYTES])}"
    signature = mac(keys.current, *_signed(body, challenge, words_of(bound), key))
    return f"{body}.{signature}"


def is_solution(
    puzzle: str, key: str, challenge: str, keys: ClearanceKeys, bound: Bound, *, now_s: float
) -> bool:
    """Whether `key` solves `puzzle`, which this service made for this challenge and client.

    The MAC covers the challenge's text, so a challenge that was altered fails here too.
    """
    found = _PUZZLE.fullmatch(puzzle)
    words = bound.text()
    if found is None or words is None or not _KEY.fullmatch(key):
        return False
    signer = keys.find(found[1])
    if signer is None:
        return False
    solved = base64.urlsafe_b64decode(key + "=")
    body = puzzle[: found.start(5) - 1]
    if not same(mac(signer, *_signed(body, challenge, words, solved)), found[5]):
        return False
    age_s = now_s - int(found[2])
    return -CLEARANCE_CLOCK_SKEW_S <= age_s <= CHALLENGE_LIFETIME_S


def _signed(body: str, challenge: str, words: bytes, key: bytes) -> tuple[bytes, ...]:
    # The key has one size and stands last; neither text can hold a line break.
    asked = challenge.encode("utf-8", "surrogatepass")
    return (b"puzzle ", body.encode("ascii"), b"\n", asked, words, b"\n", key)
