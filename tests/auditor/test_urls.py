"""Passwords of URLs: hidden by place whatever is in them, in whole URLs and in texts around them."""

from __future__ import annotations

import pytest

from auditor.urls import hide_password, raw_password, secrets_of, without_passwords

SCHEMES = ("postgresql", "postgresql+psycopg", "redis", "rediss", "redis+socket", "amqp", "https")
PASSWORDS = (
    "geheim",
    "ge@heim",
    "ge:heim",
    "ge/heim",
    "ge#heim",
    "ge?heim",
    "ge@h:e/i%m",
    "@geheim@",
    "ge]heim[",
    "gé'heim",
)


@pytest.mark.parametrize("password", PASSWORDS)
@pytest.mark.parametrize("scheme", SCHEMES)
def test_a_password_is_hidden_to_the_last_at_sign(scheme: str, password: str) -> None:
    url = f"{scheme}://user:{password}@host:1/name"
    assert hide_password(url) == f"{scheme}://user:***@host:1/name"
    assert raw_password(url) == password
    said = f"cannot use {url}: {password!r} is wrong (see '{url}')"
    assert "heim" not in without_passwords(said, secrets_of(url))
    assert without_passwords(f"at {url}, see") == f"at {scheme}://user:***@host:1/name, see"


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("redis://:p@ss@host:1/0", "redis://:***@host:1/0"),
        ("redis://user@host:1/0", "redis://user@host:1/0"),
        ("redis://host:1/0", "redis://host:1/0"),
        ("redis://host/0?password=geheim&db=1", "redis://host/0?password=***&db=1"),
        ("postgresql:///db?user=a&password=ge&sslpassword=he", "postgresql:///db?user=a&password=***&sslpassword=***"),
        ("redis+socket:///tmp/s?virtual_host=0", "redis+socket:///tmp/s?virtual_host=0"),
        ("sqlite:////home/a:b@c/d.sqlite3", "sqlite:////home/a:b@c/d.sqlite3"),
        ("redis://:geheim", "redis://:***"),
        ("redis://host:geheim/0", "redis://host:***/0"),
        ("user:geheim@host", "user:***@host"),
        ("postgresql://USER:PASSWORD@HOST/NAME", "postgresql://USER:PASSWORD@HOST/NAME"),
        ("redis://HOST:PORT/0", "redis://HOST:PORT/0"),
        ("", ""),
    ],
)
def test_what_is_shown(url: str, shown: str) -> None:
    assert hide_password(url) == shown


def test_a_password_is_hidden_also_as_it_is_meant() -> None:
    assert without_passwords("wrong: p@ss/word", secrets_of("redis://u:p%40ss%2Fword@h")) == "wrong: ***"
    assert without_passwords("a word", secrets_of("redis://u:a@h")) == "a word"
