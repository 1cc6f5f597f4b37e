"""Whether a port can be the challenge port, and the sentences that say why not."""

from __future__ import annotations

import errno
import os
import socket
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from challenges import binding, occupants, ports
from challenges.models import ChallengeListener
from challenges.occupants import Occupant
from challenges.problems import Severity
from tests.parts.processes import free_port

NOW = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)
LOOPBACK = "127.0.0.1"
NET_BIND_SERVICE = 1 << 10


def listener(**facts: object) -> ChallengeListener:
    """A live listener on port 8080 of this machine that may bind ports from 1024 up."""
    chosen: dict[str, object] = {
        "host": socket.gethostname(),
        "pid": 1,
        "port": 8080,
        "addresses": LOOPBACK,
        "wanted_port": 8080,
        "lowest_port": 1024,
        "started_at": NOW,
        "seen_at": NOW,
    }
    return ChallengeListener(**(chosen | facts))


@pytest.fixture
def taken_port() -> object:
    with socket.socket() as occupied:
        occupied.bind((LOOPBACK, free_port()))
        occupied.listen()
        yield occupied.getsockname()[1]


@pytest.mark.parametrize(
    ("start", "capabilities", "lowest"),
    [
        (1024, 0, 1024),
        (1024, NET_BIND_SERVICE, 1),
        (1024, 0x1FFFFFFFFFF, 1),
        (1024, ~NET_BIND_SERVICE & 0x1FFFFFFFFFF, 1024),
        (80, 0, 80),
        (0, 0, 1),
    ],
)
def test_the_lowest_port(start: int, capabilities: int, lowest: int) -> None:
    assert ports.lowest_port(start, capabilities) == lowest


@pytest.mark.parametrize(
    ("status", "mask"),
    [
        (["Name:\tpython", "CapEff:\t0000000000000400"], NET_BIND_SERVICE),
        (["CapPrm:\t0000000000000400", "CapEff:\t0000000000000000"], 0),
        ([], 0),
    ],
)
def test_the_capabilities_of_a_process(status: list[str], mask: int) -> None:
    assert ports.effective_capabilities(status) == mask


@pytest.mark.parametrize(
    ("number", "occupant", "code", "words"),
    [
        (errno.EADDRINUSE, Occupant("nginx", 812), "challenge-port-taken", "nginx (process 812)"),
        (errno.EADDRINUSE, None, "challenge-port-taken", "another program"),
        (errno.EACCES, None, "challenge-port-not-permitted", "below 1024"),
        (errno.EPERM, None, "challenge-port-not-permitted", "below 1024"),
        (errno.EADDRNOTAVAIL, None, "challenge-address-not-here", "192.0.2.7"),
        (errno.ENOBUFS, None, "challenge-port-not-bindable", "No buffer space"),
    ],
)
def test_each_reason_of_the_system_has_its_sentence(
    number: int, occupant: Occupant | None, code: str, words: str
) -> None:
    problem = ports.problem_of(number, 80, "192.0.2.7", occupant, 1024)
    assert problem.code == code
    assert problem.severity == Severity.ERROR
    assert words in problem.explanation
    assert problem.remedy
    assert ports.sentence(problem).startswith(problem.explanation)


def test_a_privileged_port_is_answered_with_every_way_to_allow_it() -> None:
    remedy = " ".join(ports.not_permitted(80, 1024).remedy)
    for way in (
        "AmbientCapabilities=CAP_NET_BIND_SERVICE",
        "setcap cap_net_bind_service=+ep",
        "net.ipv4.ip_unprivileged_port_start=80",
    ):
        assert way in remedy


def test_a_forbidden_port_above_the_limit_is_not_called_privileged() -> None:
    assert "below" not in ports.not_permitted(8080, 1024).explanation


@pytest.mark.parametrize("port", [-1, 0, 65536, 10**9])
def test_what_is_no_port_is_said_to_be_none(port: int) -> None:
    for problem in (ports.why_not_bindable(port), ports.port_problem(port, None)):
        assert problem is not None
        assert problem.code == "challenge-port-out-of-range"


def test_a_free_port_is_fine_and_stays_free() -> None:
    port = free_port()
    assert ports.why_not_bindable(port, LOOPBACK) is None
    assert ports.why_not_bindable(port, binding.EVERYWHERE) is None


@pytest.mark.parametrize("host", [LOOPBACK, binding.EVERYWHERE])
def test_a_taken_port_names_the_process_that_has_it(taken_port: int, host: str) -> None:
    problem = ports.why_not_bindable(taken_port, host)
    assert problem is not None
    assert problem.code == "challenge-port-taken"
    assert f"(process {os.getpid()})" in problem.explanation


def test_an_address_of_another_machine_is_said_to_be_that() -> None:
    problem = ports.why_not_bindable(free_port(), "192.0.2.7")
    assert problem is not None
    assert problem.code == "challenge-address-not-here"


def test_the_default_port_is_80_only_where_it_can_be_bound(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    expected = 8080 if ports.why_not_bindable(80, LOOPBACK) else 80
    assert ports.default_port(LOOPBACK) == expected
    monkeypatch.setattr(ports, "why_not_bindable", lambda *_: ports.taken(80, None))
    assert ports.default_port(LOOPBACK) == 8080


def test_the_port_that_the_listener_serves_is_fine(taken_port: int) -> None:
    assert ports.port_problem(taken_port, listener(port=taken_port), now=NOW) is None


def test_a_port_below_the_listeners_lowest_needs_a_right() -> None:
    problem = ports.port_problem(80, listener(), now=NOW)
    assert problem is not None
    assert problem.code == "challenge-port-not-permitted"


def test_a_taken_port_is_refused_in_the_listeners_place(taken_port: int) -> None:
    problem = ports.port_problem(taken_port, listener(), now=NOW)
    assert problem is not None
    assert problem.code == "challenge-port-taken"


def test_ports_of_another_machine_are_not_judged_by_our_own(taken_port: int) -> None:
    assert ports.port_problem(taken_port, listener(host="other"), now=NOW) is None


def test_without_a_live_listener_our_own_attempt_decides(taken_port: int) -> None:
    silent = listener(seen_at=NOW - timedelta(minutes=1), lowest_port=65535)
    for known in (None, silent):
        assert ports.port_problem(taken_port, known, host=LOOPBACK, now=NOW) is not None
        assert ports.port_problem(free_port(), known, host=LOOPBACK, now=NOW) is None


def test_a_right_that_we_lack_is_no_reason_when_the_listener_has_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def forbidden(_hosts: object, _port: int) -> list[socket.socket]:
        raise binding.CannotBind(LOOPBACK, errno.EACCES)

    monkeypatch.setattr(binding, "bind", forbidden)
    assert ports.port_problem(80, listener(lowest_port=1), now=NOW) is None
    assert ports.port_problem(80, None, now=NOW) is not None


@pytest.mark.parametrize(
    ("text", "hosts"),
    [
        ("0.0.0.0,[::]", ("0.0.0.0", "::")),
        ("127.0.0.1", ("127.0.0.1",)),
        (" 127.0.0.1 , ::1 ,", ("127.0.0.1", "::1")),
        ("", ()),
    ],
)
def test_a_list_of_hosts(text: str, hosts: tuple[str, ...]) -> None:
    assert binding.parse_hosts(text) == hosts
    assert binding.parse_hosts(binding.written(hosts)) == hosts


def test_both_families_are_bound_or_none() -> None:
    port = free_port()
    with socket.socket(socket.AF_INET6) as occupied:
        occupied.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        occupied.bind(("::1", port))
        occupied.listen()
        with pytest.raises(binding.CannotBind):
            binding.listen((LOOPBACK, "::1"), port, backlog=5)
    for bound in binding.listen((LOOPBACK, "::1"), port, backlog=5):
        bound.close()


def test_a_machine_without_ipv6_is_served_by_ipv4(monkeypatch: pytest.MonkeyPatch) -> None:
    real = binding._bind_one

    def without_ipv6(host: str, port: int) -> socket.socket:
        if ":" in host:
            raise OSError(errno.EAFNOSUPPORT, "Address family not supported by protocol")
        return real(host, port)

    monkeypatch.setattr(binding, "_bind_one", without_ipv6)
    bound = binding.bind(binding.parse_hosts(binding.EVERYWHERE), free_port())
    assert [one.family for one in bound] == [socket.AF_INET]
    bound[0].close()
    with pytest.raises(binding.CannotBind):
        binding.bind(["::"], free_port())


TABLE = """\
  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode
   0: 00000000:0050 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 111 1
   1: 0100007F:0050 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 222 1
   2: 0100007F:0050 0100007F:C350 01 00000000:00000000 00:00000000 00000000     0        0 333 1
   3: 0100007F:1F90 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 444 1
   4: damaged
"""


def test_listening_sockets_are_found_in_the_kernels_table() -> None:
    assert occupants.listening_inodes(TABLE, 80) == {"111", "222"}
    assert occupants.listening_inodes(TABLE, 8080) == {"444"}
    assert occupants.listening_inodes(TABLE, 81) == set()


def test_without_proc_nobody_is_named(tmp_path: Path) -> None:
    assert occupants.find(80, proc=tmp_path) is None


def test_an_occupant_that_may_not_be_seen_is_not_named(tmp_path: Path) -> None:
    (tmp_path / "net").mkdir()
    (tmp_path / "net" / "tcp").write_text(TABLE)
    (tmp_path / "812").mkdir()
    (tmp_path / "self").mkdir()
    assert occupants.find(80, proc=tmp_path) is None
