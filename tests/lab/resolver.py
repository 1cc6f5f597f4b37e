"""DNS servers of the lab, as `python -m tests.lab.resolver SOCKET ADDRESS:PORT…`."""

from __future__ import annotations

import contextlib
import sys
from pathlib import Path

from tests.lab.remote import serve
from tests.parts.zones import Zone, ZoneServer


def main(path: str, *addresses: str) -> None:
    """Serve DNS on each of the addresses, and do what the lab says, until killed."""
    with contextlib.ExitStack() as stack:
        servers = {}
        for address in addresses:
            host, _colon, port = address.rpartition(":")
            servers[host] = stack.enter_context(ZoneServer(host=host, port=int(port)))

        def set_zone(host: str, zone: str) -> None:
            servers[host].zone = Zone.from_json(zone)

        serve(Path(path), {"set_zone": set_zone})


if __name__ == "__main__":
    main(*sys.argv[1:])
