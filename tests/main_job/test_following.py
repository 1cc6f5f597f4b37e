"""Files that another tool renews: the worker notices by itself, within a minute."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.certificates.chains import Link, make_chain
from tests.main_job.steps import HOSTNAME
from tests.parts.product import MakeProduct

pytestmark = pytest.mark.slow


def put(directory: Path, leaf: Link) -> None:
    """As a tool does that replaces one file after the other."""
    for name, content in (("fullchain.pem", leaf.chain_pem), ("privkey.pem", leaf.key_pem())):
        (directory / ".fresh").write_bytes(content)
        (directory / ".fresh").replace(directory / name)


def test_a_renewed_file_is_in_use_within_a_minute(
    make_product: MakeProduct, tmp_path: Path
) -> None:
    directory = tmp_path / "other-tool"
    directory.mkdir()
    with make_product({"GATEWAY_ADMIN_CERTIFICATE_DIRECTORIES": str(directory)}) as product:
        product.manage("configure", "--hostname", HOSTNAME)
        put(directory, make_chain(HOSTNAME))
        product.manage(
            "follow_files",
            *("--certificate", directory / "fullchain.pem", "--key", directory / "privkey.pem"),
        )
        live = product.data_dir / "live" / "default" / "fullchain.pem"
        product.start_worker()

        newer = make_chain(HOSTNAME)
        put(directory, newer)
        product.processes["worker"].wait_until(
            lambda: live.read_bytes().startswith(newer.pem), "The new one is in use", timeout=60
        )
