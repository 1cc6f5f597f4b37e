"""The broker comes and goes, and the worker is at work again within half a minute."""

from __future__ import annotations

import datetime
import sqlite3
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing
from pathlib import Path

import pytest
from celery import Celery
from django.utils import timezone

from gateway_admin.watches import BEAT_HANGS_AFTER
from tests.launch.running import Run
from tests.main_job.killing import ENVIRONMENTS, Case, Killing
from tests.main_job.steps import embedded_broker, send_task
from tests.parts.pebble import StartAuthorities
from tests.parts.processes import Process, wait_until
from tests.parts.product import CHECKOUT, MakeProduct, Product
from tests.parts.valkey import Valkey

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1800)]

LIMIT = 30.0  # seconds
FAULTS = CHECKOUT / "tests" / "main_job" / "faulty_worker"
Repetitions = Callable[[int, int], int]


@pytest.fixture
def own_valkey(tmp_path: Path) -> Iterator[Valkey]:
    """A broker of this test's own, which may be killed."""
    with closing(Valkey(tmp_path / "valkey", password="p@ss/word:#1")) as server:
        yield server


def last_heartbeat(data_dir: Path) -> datetime.datetime | None:
    """When the worker last carried out a message that asked it for a sign of life."""
    with closing(sqlite3.connect(data_dir / "db.sqlite3", timeout=20)) as database:
        row = database.execute(
            "SELECT seen_at FROM certificates_heartbeat WHERE component = 'worker'"
        ).fetchone()
    return datetime.datetime.fromisoformat(row[0]).replace(tzinfo=datetime.UTC) if row else None


def seconds_to_a_heartbeat(
    data_dir: Path, broker: str, options: Mapping[str, object] | None = None
) -> float:
    """How long a message that is sent now has to wait; PartError after :data:`LIMIT`."""
    begin, now = time.monotonic(), timezone.now()
    send_task("certificates.tasks.heartbeat", broker, options)
    wait_until(
        lambda: (last_heartbeat(data_dir) or now) > now,
        "The worker carries out a message",
        timeout=LIMIT,
    )
    return time.monotonic() - begin


def start_worker(make_product: MakeProduct, env: Mapping[str, str]) -> Product:
    """A worker alone, which has carried out its first message."""
    product = make_product(env)
    product.manage("configure", "--hostname", "mx.example.test")
    begin_work(product)
    return product


def begin_work(product: Product) -> Process:
    """Start a worker, which carries out its first message."""
    product.start_worker()
    worker = product.processes["worker"]
    worker.wait_until(lambda: last_heartbeat(product.data_dir), "The worker is at work", timeout=60)
    return worker


def test_the_broker_killed_wiped_and_restarted_is_consumed_from_again_within_30_seconds(
    make_product: MakeProduct,
    start_acme: StartAuthorities,
    own_valkey: Valkey,
    repetitions: Repetitions,
    tmp_path: Path,
) -> None:
    authorities = start_acme()
    env = authorities.environment() | {"CELERY_BROKER_URL": own_valkey.url}
    with closing(Killing(make_product(env), authorities)) as console:
        worker = begin_work(console.product)
        waits, cases = [], []
        for number in range(repetitions(3, 50)):
            cases.append(console.new_gateway())
            cases[-1].ask("request")
            own_valkey.kill()
            if number % 3 == 1:
                wait_until_beat_misses_the_broker(worker)
            own_valkey.restart()
            waits.append(seconds_to_a_heartbeat(console.product.data_dir, own_valkey.url))
        (tmp_path / "seconds").write_text(" ".join(f"{wait:.1f}" for wait in waits))
        # Beat sends it too, within half a minute.
        send_task("certificates.tasks.sweep", own_valkey.url)
        assert_each_has_its_certificate(console, cases)
        # All by itself: the watchdog is for what cannot help itself.
        assert worker.returncode is None
        assert "gateway_admin.watchdog" not in worker.output()


def wait_until_beat_misses_the_broker(worker: Process) -> None:
    """Long enough for the worker to be in its longest pause between two attempts."""
    sentence = "The message broker did not take"
    told = worker.output().count(sentence)
    worker.wait_until(
        lambda: worker.output().count(sentence) > told, "Beat has missed the broker", timeout=60
    )


def assert_each_has_its_certificate(console: Killing, cases: list[Case]) -> None:
    """What was asked for is done, found by the sweep where its message is lost, and done once."""
    for case in cases:
        wait_until(
            lambda case=case: case.report()["state"] in {"done", "failed"},  # type: ignore[misc]
            "The issuance has ended",
            timeout=90,
        )
        assert case.assert_finished()["issuances"] == 1
    for environment in ENVIRONMENTS:
        done = console.done()[environment]
        assert (done.orders, done.certificates) == (len(cases), len(cases))


def test_a_broker_that_is_wiped_while_it_runs_is_not_even_noticed(
    make_product: MakeProduct, own_valkey: Valkey
) -> None:
    product = start_worker(make_product, {"CELERY_BROKER_URL": own_valkey.url})
    for _ in range(3):
        own_valkey.flush()
        seconds_to_a_heartbeat(product.data_dir, own_valkey.url)
    assert product.processes["worker"].returncode is None


def test_the_embedded_brokers_folder_may_be_wiped(
    make_product: MakeProduct, repetitions: Repetitions
) -> None:
    product = start_worker(make_product, {})
    broker, options = embedded_broker(product)
    for _ in range(repetitions(3, 50)):
        wipe(product.data_dir / "broker")
        seconds_to_a_heartbeat(product.data_dir, broker, options)
    assert product.processes["worker"].returncode is None
    assert "Traceback" not in product.processes["worker"].output()


def wipe(folder: Path) -> None:
    """Remove the folder while others write into it."""
    while folder.exists():
        for path in folder.iterdir():
            path.unlink(missing_ok=True)
        try:
            folder.rmdir()
        except OSError:
            continue


def test_a_worker_with_all_threads_at_work_is_left_alone(
    make_product: MakeProduct, own_valkey: Valkey, tmp_path: Path
) -> None:
    product = start_worker(make_product, with_faults(tmp_path, own_valkey.url))
    worker = product.processes["worker"]
    begin = timezone.now()
    with Celery("test", broker=own_valkey.url, set_as_current=False) as app:
        for _ in range(8):
            app.send_task("tests.busy", args=[10])
    # Twice ten seconds for four threads, during which nothing else can be carried out.
    wait_until(
        lambda: (
            (last_heartbeat(product.data_dir) or begin) > begin
            and worker.output().count("A long task has ended.") == 8
        ),
        "All has been carried out",
        timeout=60,
    )
    assert worker.returncode is None
    assert "gateway_admin.watchdog" not in worker.output()


# The limit is for an idle machine; a whole product that starts beside other tests takes longer.
CROWDED = 20.0
DEAF = ("deaf", "The worker has carried out no message for 1", LIMIT + CROWDED)
BEATLESS = ("beatless", "Beat has not made its round for 3", LIMIT + CROWDED + BEAT_HANGS_AFTER)


@pytest.mark.parametrize(
    ("fault", "sentence", "limit", "broker"),
    [
        pytest.param(*DEAF, "embedded", id="deaf", marks=pytest.mark.soak),
        pytest.param(*DEAF, "valkey", id="deaf on valkey"),
        pytest.param(*BEATLESS, "embedded", id="beatless", marks=pytest.mark.soak),
    ],
)
def test_a_worker_that_is_up_and_does_nothing_is_replaced(
    own_valkey: Valkey,
    tmp_path: Path,
    fault: str,
    sentence: str,
    limit: float,
    broker: str,
) -> None:
    env = with_faults(tmp_path, own_valkey.url if broker == "valkey" else "")
    run = Run(tmp_path / "data", env=env)
    try:
        run.wait_until_ready()
        (pid,) = run.pids_of("worker")
        (tmp_path / fault).touch()
        wait_until(lambda: not (tmp_path / fault).exists(), "The fault is there", timeout=30)
        begin, broken_at = time.monotonic(), timezone.now()
        wait_until(lambda: run.is_back(pid, "worker"), "A new worker is there", timeout=limit)
        replaced_at = timezone.now()
        wait_until(
            lambda: (last_heartbeat(run.data_dir) or broken_at) > replaced_at,
            "The new worker works",
            timeout=limit - (time.monotonic() - begin),
        )
        (tmp_path / "seconds").write_text(f"{time.monotonic() - begin:.1f}")
        assert sentence in run.process.output()
        with closing(sqlite3.connect(run.data_dir / "db.sqlite3")) as database:
            (told,) = database.execute(
                "SELECT message FROM certificates_event WHERE code = 'process-ended-itself'"
            ).fetchone()
        assert told.startswith(sentence)
    finally:
        run.process.stop()


def with_faults(folder: Path, broker: str) -> dict[str, str]:
    """The environment of a worker that obeys the orders in a folder."""
    env = {"PYTHONPATH": str(FAULTS), "FAULTS_ORDERED_IN": str(folder)}
    return env | ({"CELERY_BROKER_URL": broker} if broker else {})
