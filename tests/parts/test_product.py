"""The product as the tests run it: all of it alive, and nothing left of it afterwards."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.parts.pebble import TestAuthorities
from tests.parts.processes import PartError, answers
from tests.parts.product import MakeProduct, Product


@pytest.mark.slow
def test_the_product_starts_and_leaves_no_process(
    product: Product, authorities: TestAuthorities
) -> None:
    port = authorities.http_port
    product.json("configure", "--hostname", "mail.example.test", "--challenge-port", str(port))
    product.start(challenge_port=port)
    assert product.is_healthy()
    assert answers(port)
    processes = list(product.processes.values())
    assert {process.returncode for process in processes} == {None}
    product.kill("worker")
    product.stop()
    assert product.health() is None
    assert not answers(port)
    assert not [process for process in processes if Path(f"/proc/{process.pid}").exists()]


def test_a_command_that_fails_shows_what_it_said(product: Product) -> None:
    with pytest.raises(PartError, match="no_such_command"):
        product.manage("no_such_command")


def test_the_environment_of_the_developer_does_not_reach_the_product(
    make_product: MakeProduct, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DATABASE_URL", "postgres://nobody@nowhere/nothing")
    monkeypatch.setenv("GATEWAY_ADMIN_HTTPS", "on")
    env = make_product().env
    assert "DATABASE_URL" not in env
    assert "GATEWAY_ADMIN_HTTPS" not in env
