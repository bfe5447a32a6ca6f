"""What a test may need of the machine that the lock files cannot install."""

import shutil

import pytest

from seawall.errors import UnreachableError
from seawall.learn import needs

needs_curl = pytest.mark.skipif(shutil.which("curl") is None, reason="no curl on this machine")


def _cannot_train() -> str:
    try:
        needs.require("lightgbm")
    except UnreachableError as error:
        return error.message
    return ""


needs_lightgbm = pytest.mark.skipif(bool(_cannot_train()), reason=_cannot_train())
