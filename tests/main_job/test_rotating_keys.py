"""The encryption keys are rotated under a running product, which goes on as if nothing were."""

from __future__ import annotations

import os
import time

import pytest

from certificates import sealing
from tests.main_job.conftest import StartProduct
from tests.main_job.steps import rows
from tests.parts.product import Product

pytestmark = pytest.mark.slow

SEALED = (
    "SELECT sealed_key FROM certificates_account UNION ALL "
    "SELECT sealed_key FROM certificates_certificate UNION ALL "
    "SELECT sealed_key FROM certificates_order"
)
DAY = 24 * 60 * 60


def keys_used(product: Product) -> set[str]:
    """The identifiers of the keys that have sealed what is stored."""
    return {str(text).split(".")[1] for (text,) in rows(product, SEALED)}


def test_a_running_product_works_with_the_new_key_at_once(start_product: StartProduct) -> None:
    product, _ = start_product()
    file = product.data_dir / "secrets" / "encryption_keys"
    first = product.json("issue", "--wait")["certificate"]
    key = (product.data_dir / "live" / "default" / "privkey.pem").read_bytes()

    rotated = product.json("rotate_encryption_keys")
    assert rotated["is_new"]
    assert keys_used(product) == {rotated["key"]}
    # The worker's account opens with a key that was not there when it started.
    product.manage("renew", "--wait")
    assert keys_used(product) == {rotated["key"]}

    refused = product.run("rotate_encryption_keys", "--forget-old")
    assert (refused.returncode, len(refused.stderr.splitlines())) == (1, 1)
    assert "less than a day ago" in refused.stderr
    os.utime(file, (time.time() - DAY, time.time() - DAY))
    assert product.json("rotate_encryption_keys", "--forget-old")["forgotten"] == rotated["kept"]

    assert [sealing.key_id(key) for key in sealing.read_keys(file.read_text())] == [rotated["key"]]
    exported = product.log_dir / "exported.pem"
    product.manage(
        *("export_certificate", str(first["id"]), "--format", "pem", "--with-key"),
        *("--output", exported),
    )
    assert exported.read_bytes().startswith(key)
