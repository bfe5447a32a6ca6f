"""Public keys of signers: JSON Web Keys (RFC 7517), by thumbprint (RFC 7638), and checking.

A key is known by its thumbprint only; the name that a directory gives it says nothing. Shared
secrets are no keys, and the example keys of RFC 9421 are refused: everybody has their private
halves.
"""

import base64
import binascii
import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, TypeAlias

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa, utils

from seawall import limits

PublicKey: TypeAlias = ed25519.Ed25519PublicKey | rsa.RSAPublicKey | ec.EllipticCurvePublicKey

TEST_KEYS: Final = frozenset(
    {
        "poqkLGiymh_W0uP6PZFw-dvez3QJT5SolqXBCW38r0U",  # test-key-ed25519 (RFC 9421 B.1.4)
        "oD0HwocPBSfpNy5W3bpJeyFGY_IQ_YpqxSjQ3Yd-CLA",  # test-key-rsa-pss (B.1.2)
        "ydQXMtvbsOsZyFir-Y7A8t7fKEM1gbKPvyFkdpu4fvI",  # test-key-ecc-p256 (B.1.3)
    }
)
_RSA_BITS: Final = range(2_048, 4_097)
_RSA_EXPONENTS: Final = range(3, 1 << 32)
_P256_BYTES: Final = 32


@dataclass(frozen=True, slots=True)
class Key:
    """A public key that may sign requests.

    Attributes:
        thumbprint: base64url of the SHA-256 over its canonical JSON.
        algorithm: of RFC 9421: `ed25519`, `rsa-pss-sha512` or `ecdsa-p256-sha256`.
        not_before_s: Unix seconds.
        expires_s: Unix seconds, or None.
    """

    thumbprint: str
    algorithm: str
    public: PublicKey
    not_before_s: float = 0.0
    expires_s: float | None = None

    def valid_at(self, now_s: float) -> bool:
        """Whether its directory says that it may be used now."""
        return self.not_before_s <= now_s and (self.expires_s is None or now_s < self.expires_s)

    def verifies(self, signature: bytes, message: bytes) -> bool:
        """Whether `signature` is this key's over `message`."""
        try:
            match self.public:
                case ed25519.Ed25519PublicKey():
                    self.public.verify(signature, message)
                case rsa.RSAPublicKey():
                    pss = padding.PSS(padding.MGF1(hashes.SHA512()), salt_length=64)
                    self.public.verify(signature, message, pss, hashes.SHA512())
                case _:
                    if len(signature) != 2 * _P256_BYTES:
                        return False
                    r, s = signature[:_P256_BYTES], signature[_P256_BYTES:]
                    pair = int.from_bytes(r, "big"), int.from_bytes(s, "big")
                    der = utils.encode_dss_signature(*pair)
                    self.public.verify(der, message, ec.ECDSA(hashes.SHA256()))
        except (InvalidSignature, ValueError):
            return False
        return True


def directory(body: bytes, *, refuse: frozenset[str] = TEST_KEYS) -> dict[str, Key]:
    """The usable keys of a key directory, by thumbprint.

    Keys of another type or use are passed over, so that a directory may hold keys for others.

    Args:
        body: as it was fetched.
        refuse: thumbprints that are passed over too.

    Raises:
        ValueError: it is no directory, or has too many keys.
    """
    try:
        data = json.loads(body)
    except (ValueError, RecursionError) as error:
        raise ValueError("the directory is not JSON") from error
    keys = data.get("keys") if isinstance(data, dict) else None
    if not isinstance(keys, list):
        raise ValueError("the directory has no list of keys")  # noqa: TRY004 - one kind of error
    if len(keys) > limits.DIRECTORY_KEYS_MAX:
        raise ValueError(f"the directory has {len(keys)} keys")
    found = [key for entry in keys if (key := read(entry)) is not None]
    return {key.thumbprint: key for key in found if key.thumbprint not in refuse}


def read(jwk: object) -> Key | None:
    """A JSON Web Key that may sign requests, or None."""
    if not isinstance(jwk, dict) or "d" in jwk or jwk.get("use", "sig") != "sig":
        return None
    operations = jwk.get("key_ops", ["verify"])
    if not isinstance(operations, list) or "verify" not in operations:
        return None
    times = [jwk.get("nbf", 0), jwk.get("exp")]
    if not all(value is None or type(value) in {int, float} for value in times):
        return None
    try:
        made = _public(jwk)
    except (ValueError, TypeError, KeyError, binascii.Error, OverflowError):
        return None
    if made is None:
        return None
    algorithm, public, members = made
    return Key(thumbprint(members), algorithm, public, times[0] or 0, times[1])


def thumbprint(members: Mapping[str, str]) -> str:
    """RFC 7638: the required members, sorted, without spaces, hashed."""
    text = json.dumps(dict(members), sort_keys=True, separators=(",", ":"))
    return base64.urlsafe_b64encode(hashlib.sha256(text.encode()).digest()).decode().rstrip("=")


def _public(jwk: Mapping[str, Any]) -> tuple[str, PublicKey, dict[str, str]] | None:
    kind, curve = jwk.get("kty"), jwk.get("crv")
    if (kind, curve) == ("OKP", "Ed25519"):
        okp = ed25519.Ed25519PublicKey.from_public_bytes(_decode(jwk["x"]))
        return "ed25519", okp, {"kty": "OKP", "crv": "Ed25519", "x": jwk["x"]}
    if (kind, curve) == ("EC", "P-256"):
        x, y = (int.from_bytes(_decode(jwk[name], _P256_BYTES), "big") for name in ("x", "y"))
        point = ec.EllipticCurvePublicNumbers(x, y, ec.SECP256R1()).public_key()
        members = {"kty": "EC", "crv": "P-256", "x": jwk["x"], "y": jwk["y"]}
        return "ecdsa-p256-sha256", point, members
    if kind == "RSA" and jwk.get("alg", "PS512") == "PS512":
        modulus = int.from_bytes(_decode(jwk["n"]), "big")
        exponent = int.from_bytes(_decode(jwk["e"]), "big")
        if modulus.bit_length() not in _RSA_BITS or exponent not in _RSA_EXPONENTS:
            return None
        numbers = rsa.RSAPublicNumbers(exponent, modulus).public_key()
        return "rsa-pss-sha512", numbers, {"kty": "RSA", "e": jwk["e"], "n": jwk["n"]}
    return None


def _decode(text: str, length: int | None = None) -> bytes:
    """Canonical base64url without padding; anything else would give one key two thumbprints."""
    raw = base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
    if base64.urlsafe_b64encode(raw).decode().rstrip("=") != text:
        raise ValueError("no canonical base64url")
    if length is not None and len(raw) != length:
        raise ValueError("a number of another length")
    return raw
