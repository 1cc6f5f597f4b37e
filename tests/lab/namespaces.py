"""Network namespaces without names: each lives as long as the one process that holds it.

So nothing is left behind even when the test run is killed. Making one takes root.
"""

from __future__ import annotations

import os
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

from tests.parts.processes import PartError, Process, find_program
from tests.parts.product import CHECKOUT

# No interface waits for duplicates of its address, and no error is swallowed by a rate limit.
QUICK = """
echo 0 > /proc/sys/net/ipv6/conf/all/accept_dad
echo 0 > /proc/sys/net/ipv6/conf/default/accept_dad
echo 0 > /proc/sys/net/ipv6/conf/default/accept_ra
echo 0 > /proc/sys/net/ipv4/icmp_ratelimit
echo 0 > /proc/sys/net/ipv6/icmp/ratelimit
ip link set lo up
"""
FORWARDS = """
echo 1 > /proc/sys/net/ipv4/ip_forward
echo 1 > /proc/sys/net/ipv6/conf/all/forwarding
"""


class Namespace:
    """One machine of the lab: a network of its own, and mounts of its own.

    ``run`` carries out a shell script in it, ``start`` a program that stays.
    """

    def __init__(self, name: str, logs: Path) -> None:
        self.name = name
        self.logs = logs
        self.processes: list[Process] = []
        unshare = find_program("unshare", package="util-linux")
        self._keeper = Process(
            [unshare, "--net", "--mount", "--", "sleep", "infinity"], log=logs / f"{name}.log"
        )

    @property
    def pid(self) -> int:
        """The process that holds it, by which `ip` knows it as well."""
        return self._keeper.pid

    def wait(self) -> None:
        """Until it is there; PartError says what it takes when it never comes."""
        try:
            self._keeper.wait_until(self._is_there, f"The network namespace {self.name} is there")
        except PartError as error:
            raise PartError(
                f"{error}\nThe lab needs network namespaces of its own: run these tests as root."
            ) from error
        self.run(QUICK)

    def _is_there(self) -> bool:
        return Path(f"/proc/{self.pid}/comm").read_text() == "sleep\n"

    def enter(self) -> list[str]:
        """The command line before a program that is to run here."""
        where = [f"--{kind}=/proc/{self.pid}/ns/{file}" for kind, file in _KINDS.items()]
        return ["nsenter", *where, f"--wd={CHECKOUT}", "--"]

    def run(self, script: str, *, stdin: str = "") -> str:
        """Carry out a shell script; returns its output. PartError when a line of it fails."""
        done = subprocess.run(
            [*self.enter(), "sh", "-ec", script],
            input=stdin,
            capture_output=True,
            text=True,
            check=False,
            timeout=30,
            env=os.environ | {"PATH": f"{os.environ.get('PATH', os.defpath)}:/usr/sbin:/sbin"},
        )
        if done.returncode != 0:
            raise PartError(f"In {self.name}:\n{script}\n{stdin}\n{done.stderr}")
        return done.stdout

    def rules(self, ruleset: str) -> None:
        """Replace all packet filter and translation rules at once."""
        self.run("nft -f -", stdin=f"flush ruleset\n{ruleset}")

    def start(
        self, name: str, command: Sequence[str | Path], env: Mapping[str, str] | None = None
    ) -> Process:
        """Start a program here, its output in a log file of that name."""
        log = self.logs / f"{self.name}-{name}.log"
        process = Process([*self.enter(), *command], log=log, env=env, cwd=CHECKOUT)
        self.processes.append(process)
        return process

    def close(self) -> None:
        """End every program in it, and with the last one the namespace itself."""
        for process in [*self.processes, self._keeper]:
            process.kill()


_KINDS = {"net": "net", "mount": "mnt"}


def cable(one: Namespace, at_one: str, other: Namespace, at_other: str) -> None:
    """Connect two machines: each gets an interface of that name."""
    one.run(
        f"ip link add {at_one} netns {one.pid} type veth peer name {at_other} netns {other.pid}"
    )
