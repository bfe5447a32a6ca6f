"""The pieces of site files in docs/production.md, put together as the page says."""

import re
from pathlib import Path

import yaml

from site_text import load_text
from tls_material import TlsAuthority

PAGE = Path(__file__).parents[2] / "docs" / "production.md"


def test_the_site_of_the_page_is_one() -> None:
    blocks = re.findall(r"```yaml\n(.*?)```", PAGE.read_text(), re.DOTALL)
    proven, encrypted = (yaml.safe_load(text) for text in blocks[:2])
    plain = {"version": 1, "listen": {"http": "0.0.0.0:80"}, **proven}
    assert load_text(yaml.safe_dump(plain)).problems == ()
    site = {**proven["sites"]["shop"], "tls": {"certificate": "shop"}, "redirect_to_https": True}
    whole = {**plain, **encrypted, "sites": {"shop": site}}
    cert, key = TlsAuthority().issue("shop.example.com")
    files = {"tls/shop/fullchain.pem": cert, "tls/shop/privkey.pem": key}
    assert load_text(yaml.safe_dump(whole), files).problems == ()
