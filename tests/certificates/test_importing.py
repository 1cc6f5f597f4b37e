"""The process that reads uploads: its limits, its end, and what it never gives away."""

from __future__ import annotations

import datetime
import json
import resource
import subprocess
import sys
import time
import traceback
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import psutil
import pytest
from hypothesis import given, settings

from certificates import importing, keys
from certificates.parsing import child, costs, messages, refusals
from challenges.problems import Problem, ProblemError
from tests.certificates.chains import make_authority, make_chain
from tests.certificates.parsing.hostile import costly_files, keys_that_cost
from tests.certificates.parsing.inputs import uploads
from tests.certificates.parsing.reader import PASSWORD, check_refusal, material, outcome
from tests.parts import strace
from tests.parts.processes import find_program

LEAF = make_chain("mx.example.org")
FILES = [LEAF.chain_pem, LEAF.key_pem()]
# The limit of two seconds, and what starting an interpreter costs before it holds.
MOST_CPU = 3.0


def refusal(
    files: list[bytes],
    password: str | None = None,
    *,
    script: str | None = None,
    patience: float = importing.PATIENCE,
) -> Problem:
    """What the upload is refused with; with a script in place of the reading process."""
    command = importing.COMMAND if script is None else (sys.executable, "-I", "-c", script)
    with pytest.raises(ProblemError) as caught:
        importing.read(files, password, command=command, patience=patience)
    check_refusal(caught.value.problem)
    return caught.value.problem


def cpu_of_children() -> float:
    """Seconds that processes which this one started and reaped have computed."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


# What comes back


def test_what_the_process_read_arrives_whole(
    record_property: Callable[[str, object], None],
) -> None:
    begun, used = time.perf_counter(), cpu_of_children()
    imported = importing.read(FILES)

    record_property("seconds", time.perf_counter() - begun)
    record_property("seconds of computing", cpu_of_children() - used)
    assert imported.chain.chain_pem.encode() == LEAF.chain_pem
    assert imported.chain.names == ("mx.example.org",)
    assert imported.chain.not_after == LEAF.certificate.not_valid_after_utc
    assert imported.chain.not_after.tzinfo is not None
    assert imported.key_der == LEAF.key_der
    assert imported.notes == ()
    assert cpu_of_children() - used < 1.5


def test_password_known_keys_notes_and_the_present_arrive_as_well() -> None:
    spki = keys.spki_sha256(LEAF.key.public_key())
    later = datetime.datetime.now(datetime.UTC) + datetime.timedelta(days=1000)

    kept = importing.read([LEAF.pem], known_keys=[spki], now=later)
    bundle = importing.read([material("openssl/legacy.pfx")], PASSWORD)

    assert kept.key_der is None
    assert [note.code for note in kept.notes] == ["certificate-expired", "chain-incomplete"]
    assert bundle.key_der is not None
    assert refusal([material("openssl/legacy.pfx")], "\ud800").code == "password-wrong"


@pytest.mark.parametrize(
    ("files", "expected"),
    [
        ([], "no-certificate-found"),
        ([b"x"] * 11, "too-many-files"),
        ([b"#" * (importing.MAX_FILE + 1)], "file-too-large"),
        ([LEAF.chain_pem], "no-key-found"),
    ],
)
def test_a_refusal_arrives_as_it_is(files: list[bytes], expected: str) -> None:
    assert refusal(files).code == expected


def test_ten_files_of_64_kib_are_read() -> None:
    padding = b"#" * (importing.MAX_FILE - len(LEAF.chain_pem))
    files = [padding + LEAF.chain_pem] * 9 + [LEAF.key_pem()]
    assert importing.read(files).key_der == LEAF.key_der


def test_several_threads_may_read_at_once() -> None:
    leaves = [make_chain(f"mx{number}.example.org") for number in range(3)]

    with ThreadPoolExecutor(len(leaves)) as pool:
        read = pool.map(lambda leaf: importing.read([leaf.chain_pem, leaf.key_pem()]), leaves)
        found = [imported.key_der for imported in read]

    assert found == [leaf.key_der for leaf in leaves]


def test_the_present_directory_is_of_no_account(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("json", "certificates", "resource"):
        (tmp_path / f"{name}.py").write_text("raise SystemExit(7)")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))

    assert importing.read(FILES).key_der == LEAF.key_der


# What it may cost


# What is refused before it is tried, tests of the parsing name one by one.
@pytest.mark.parametrize(
    ("file", "expected"),
    [
        (costly_files()["PFX, 100 million rounds inside"], "upload-too-costly"),
        # All that is tried at most, and it opens nothing.
        (keys_that_cost(costs.MAX_ROUNDS)[0], "password-wrong"),
    ],
)
def test_what_costs_much_is_tried_or_refused_within_its_limit(
    file: bytes, expected: str, record_property: Callable[[str, object], None]
) -> None:
    begun, used = time.perf_counter(), cpu_of_children()

    problem = refusal([material("openssl/ec.fullchain.pem"), file], PASSWORD)

    spent = cpu_of_children() - used
    record_property("seconds", time.perf_counter() - begun)
    record_property("seconds of computing", spent)
    assert problem.code == expected
    assert spent < MOST_CPU


def test_what_is_costly_in_a_way_that_nobody_foresaw_is_ended() -> None:
    script = f"""
import sys
sys.path.insert(0, {str(Path(child.__file__).parents[2])!r})
from certificates.parsing import child
child.CPU_SECONDS = 1
child.limit()
while True:
    pass
"""
    assert refusal(FILES, script=script).code == "upload-too-costly"


def test_memory_files_and_cores_are_limited(tmp_path: Path) -> None:
    script = f"""
import sys, resource
sys.path.insert(0, {str(Path(child.__file__).parents[2])!r})
from certificates.parsing import child
child.limit()
import json
told = {{
    "core": resource.getrlimit(resource.RLIMIT_CORE),
    "cpu": resource.getrlimit(resource.RLIMIT_CPU),
}}
try:
    bytearray(300 * 1024 * 1024)
except MemoryError:
    told["memory"] = "refused"
try:
    with open({str(tmp_path / "file")!r}, "wb") as file:
        file.write(b"x")
except OSError:
    told["file"] = "refused"
print(json.dumps(told))
"""
    done = subprocess.run([sys.executable, "-I", "-c", script], capture_output=True, check=True)

    assert json.loads(done.stdout) == {
        "core": [0, 0],
        "cpu": [2, 3],
        "memory": "refused",
        "file": "refused",
    }


@pytest.mark.parametrize(
    ("script", "expected"),
    [
        ("import os, signal; os.kill(os.getpid(), signal.SIGSEGV)", "upload-not-read"),
        ("import os, signal; os.kill(os.getpid(), signal.SIGKILL)", "upload-too-costly"),
        ("import os; os.abort()", "upload-too-costly"),
        ("raise SystemExit(1)", "upload-not-read"),
        ("pass", "upload-not-read"),
        ("print('hello')", "upload-not-read"),
        ("print('{}')", "upload-not-read"),
        ("print('[]')", "upload-not-read"),
        ("print('null')", "upload-not-read"),
        ("print('3')", "upload-not-read"),
        ("print('[' * 100000)", "upload-not-read"),
        ("print('{\"problem\": {}}')", "upload-not-read"),
        ("print('{\"problem\": null}')", "upload-not-read"),
        ('print(\'{"chain": {}, "key": null, "notes": []}\')', "upload-not-read"),
        ("import sys; sys.stdout.buffer.write(bytes(range(256)))", "upload-not-read"),
    ],
)
def test_whatever_the_process_dies_of_or_answers_is_a_problem(script: str, expected: str) -> None:
    assert refusal(FILES, script=f"import sys; sys.stdin.buffer.read()\n{script}").code == expected


def test_a_process_that_reads_nothing_is_a_problem_too() -> None:
    script = "import os; os.close(0); print('hello')"
    assert refusal([b"#" * importing.MAX_FILE] * 10, script=script).code == "upload-not-read"


def test_a_process_that_cannot_be_started_is_a_problem_too(tmp_path: Path) -> None:
    with pytest.raises(ProblemError) as caught:
        importing.read(FILES, command=[str(tmp_path / "python")])
    assert caught.value.problem.code == "upload-not-read"


def test_a_process_that_hangs_is_ended_and_reaped(tmp_path: Path) -> None:
    told = tmp_path / "pid"
    script = (
        f"import os, time; file = open({str(told)!r}, 'w'); file.write(str(os.getpid())); "
        "file.close(); time.sleep(600)"
    )

    problem = refusal(FILES, script=script, patience=1)

    assert (problem.code, problem.retryable) == ("upload-reading-slow", True)
    assert not psutil.pid_exists(int(told.read_text()))


def test_whatever_has_happened_no_process_is_left() -> None:
    before = {process.pid for process in psutil.Process().children(recursive=True)}
    importing.read(FILES)
    refusal([b"hello"])
    refusal(FILES, script="import os; os.abort()")
    after = {process.pid for process in psutil.Process().children(recursive=True)}
    assert after <= before


# What it never gives away

SECRET = "correct horse battery staple"


def test_password_and_key_are_in_no_argument_environment_or_log(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GATEWAY_ADMIN_SECRET_KEY", SECRET)
    seen = tmp_path / "seen"
    script = (
        f"import sys, pathlib; pathlib.Path({str(seen)!r}).write_bytes("
        "pathlib.Path('/proc/self/cmdline').read_bytes()"
        " + pathlib.Path('/proc/self/environ').read_bytes());"
        "print(sys.stdin.read()); raise SystemExit(1)"
    )

    with pytest.raises(ProblemError) as caught:
        importing.read(FILES, SECRET, command=(sys.executable, "-I", "-c", script))

    text = "".join(traceback.format_exception(caught.value)) + caplog.text
    key = LEAF.key_pem().splitlines()[1].decode()
    for place in (text, seen.read_text(), str(caught.value.problem)):
        assert SECRET not in place
        assert key not in place
    assert "status 1" in caplog.text


def test_an_exception_of_a_library_is_named_and_not_quoted() -> None:
    question = {"files": ["!"], "password": SECRET, "known_keys": 7, "now": SECRET}
    done = subprocess.run(
        importing.COMMAND,
        input=json.dumps(question).encode(),
        capture_output=True,
        check=True,
        env={},
    )
    problem = messages.outcome(done.stdout)

    assert isinstance(problem, Problem)
    assert (problem.code, problem.detail) == ("upload-not-read", "TypeError")
    assert SECRET.encode() not in done.stdout + done.stderr


@pytest.fixture
def traced(tmp_path: Path) -> tuple[list[str], Path]:
    """A command that has the reading process traced, and the file of the trace."""
    output = tmp_path / "trace"
    program = find_program("strace", package="strace")
    options = ["-f", "-y", "-o", str(output), "-e", "trace=network,process,openat,open,creat"]
    return [str(program), *options, *importing.COMMAND], output


@pytest.mark.parametrize(
    "files",
    [
        [material("openssl/ec.cert.pem"), material("openssl/ec.sec1.pem")],
        [material("openssl/legacy.pfx")],
    ],
    ids=["PEM with addresses", "PFX"],
)
def test_no_socket_is_opened_no_file_written_and_no_program_started(
    files: list[bytes], traced: tuple[list[str], Path]
) -> None:
    command, output = traced

    importing.read(files, PASSWORD, command=command)

    calls = strace.parse(output.read_text(errors="replace"))
    names = [call.name for call in calls]
    opened = [call.arguments for call in calls if call.name in {"open", "openat", "creat"}]
    assert opened
    assert "creat" not in names
    assert not {"socket", "socketpair", "connect", "fork", "vfork", "clone", "clone3"} & set(names)
    assert names.count("execve") == 1
    assert [
        arguments for arguments in opened if "O_WRONLY" in arguments or "O_RDWR" in arguments
    ] == []
    # Lean: neither the web framework nor what speaks to a CA.
    assert [
        arguments for arguments in opened if "/django/" in arguments or "/josepy/" in arguments
    ] == []


def test_outdated_methods_that_a_system_has_switched_off_are_named() -> None:
    question = messages.Question(
        (material("openssl/legacy.pfx"),),
        PASSWORD,
        frozenset(),
        datetime.datetime.now(datetime.UTC),
    )
    done = subprocess.run(
        importing.COMMAND,
        input=question.to_bytes(),
        capture_output=True,
        check=True,
        env={"CRYPTOGRAPHY_OPENSSL_NO_LEGACY": "1"},
    )
    assert messages.outcome(done.stdout) == refusals.PFX_CIPHER_TOO_OLD


# Anything else


def test_any_upload_is_read_or_refused_by_the_process_within_its_time(
    repetitions: Callable[[int, int], int],
) -> None:
    @settings(max_examples=repetitions(5, 300), deadline=None)
    @given(uploads())
    def check(upload: tuple[list[bytes], str | None]) -> None:
        used = cpu_of_children()
        found = outcome(importing.read, *upload)
        assert cpu_of_children() - used < MOST_CPU
        # A fault of our own would hide behind these.
        assert not isinstance(found, Problem) or found.code not in {
            "upload-not-read",
            "upload-reading-slow",
        }

    check()


def test_an_unrelated_authority_is_left_out_by_the_process_too() -> None:
    stranger = make_authority("Somebody Else")
    imported = importing.read([stranger.pem, *FILES])
    assert [note.code for note in imported.notes] == ["certificates-left-out"]
