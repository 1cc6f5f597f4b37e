"""The text of supervisord.conf, read back by supervisord's own parser."""

from __future__ import annotations

import shlex
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from supervisor.datatypes import RestartUnconditionally, RestartWhenExitUnexpected
from supervisor.options import ProcessConfig, ProcessGroupConfig, UnhosedConfigParser

from gateway_admin.launch import programs, supervising, supervisor_conf
from gateway_admin.launch.programs import Program


def read(directory: Path, *wanted: Program) -> list[ProcessGroupConfig]:
    """The groups that supervisord makes of the configuration of these programs."""
    configuration = directory / "supervisord.conf"
    configuration.write_text(supervisor_conf.text(wanted))
    options = supervising.Options()
    options.realize(["-n", "-c", str(configuration)], doc="")
    groups: list[ProcessGroupConfig] = options.process_group_configs
    return groups


def read_one(directory: Path, program: Program) -> ProcessConfig:
    """What supervisord makes of one program."""
    ((process,),) = (group.process_configs for group in read(directory, program))
    return process


def test_all_programs_are_in_one_group_so_that_they_stop_at_once(tmp_path: Path) -> None:
    groups = read(tmp_path, *programs.product("127.0.0.1:8443"))
    assert [{each.name for each in group.process_configs} for group in groups] == [
        {"challenges", "console", "worker"}
    ]


def test_a_service_is_restarted_without_end_and_killed_with_its_children(tmp_path: Path) -> None:
    process = read_one(tmp_path, Program("service", ("true",)))
    assert process.autorestart is RestartUnconditionally
    assert process.startretries >= 1_000_000
    assert process.killasgroup
    assert process.stopwaitsecs <= 6


def test_a_program_that_runs_once_is_not_started_again(tmp_path: Path) -> None:
    process = read_one(tmp_path, Program("once", ("true",), once=True))
    assert process.autorestart is RestartWhenExitUnexpected
    assert process.exitcodes == [0]
    assert process.startsecs == 0


def test_output_goes_to_our_own_unless_there_is_a_log(tmp_path: Path) -> None:
    process = read_one(tmp_path, Program("loud", ("true",)))
    assert process.stdout_logfile is None
    assert process.make_dispatchers(process) == ({}, {})
    data_dir = tmp_path / "a data dir; 100% &c"
    (data_dir / "run").mkdir(parents=True)
    logged = read_one(data_dir / "run", Program("quiet", ("true",), log=Path("quiet.log")))
    assert Path(logged.stdout_logfile).resolve() == data_dir / "quiet.log"
    assert logged.redirect_stderr


def test_environment_of_a_program_is_passed_on(tmp_path: Path) -> None:
    process = read_one(tmp_path, Program("x", ("true",), (("A", "1"), ("B", "100%"))))
    assert process.environment == {"A": "1", "B": "100%"}


@given(
    st.lists(st.text(st.characters(exclude_characters="\n\r\0", codec="utf-8"), max_size=20)),
)
def test_any_argument_without_a_line_break_survives(arguments: list[str]) -> None:
    line = " ".join(["true", *(supervisor_conf.quote(argument) for argument in arguments)])
    parser = UnhosedConfigParser()
    parser.read_string(f"[program:x]\ncommand = {line}\n")
    assert shlex.split(parser.saneget("program:x", "command")) == ["true", *arguments]


@pytest.mark.parametrize(
    "argument", ["", "a ;b", "a #b", "100% %(here)s", "it's", 'say "x"', "\t;", "\\"]
)
def test_supervisord_hands_odd_arguments_over_unchanged(tmp_path: Path, argument: str) -> None:
    process = read_one(tmp_path, Program("odd", ("printf", argument, "end")))
    assert shlex.split(process.command)[-3:] == ["printf", argument, "end"]


def test_a_line_break_in_an_argument_is_refused() -> None:
    with pytest.raises(ValueError, match="line break"):
        supervisor_conf.quote("a\nb")


def test_only_console_and_worker_get_the_keys() -> None:
    keeping = {each.name for each in programs.product("[::1]:1") if each.keeps_secrets}
    assert keeping == {"console", "worker"}


def test_challenge_responder_is_started_without_the_keys() -> None:
    (responder,) = (each for each in programs.product("[::1]:1") if each.name == "challenges")
    removed = responder.full_command[1 : responder.full_command.index("setpriv")]
    assert {"GATEWAY_ADMIN_SECRET_KEY", "GATEWAY_ADMIN_ENCRYPTION_KEYS"} <= set(removed[1::2])
    assert {"CELERY_BROKER_URL", "CELERY_BROKER_PASSWORD_FILE"} <= set(removed[1::2])
    assert set(removed[::2]) == {"-u"}


def test_the_console_is_told_of_https_only_where_it_speaks_it() -> None:
    for tls in (False, True):
        (console,) = (
            each for each in programs.product("[::1]:1", tls=tls) if each.name == "console"
        )
        assert ("python:gateway_admin.launch.gunicorn_conf" in console.command) is tls


def test_every_program_dies_with_the_supervisor() -> None:
    for program in programs.product("127.0.0.1:1"):
        command = program.full_command
        start = command.index("setpriv")
        assert command[start : start + 4] == ("setpriv", "--pdeathsig", "TERM", "--")
        assert command[start + 4] == sys.executable
