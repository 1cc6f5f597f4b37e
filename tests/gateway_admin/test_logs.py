from __future__ import annotations

import json
import logging
import logging.config
import sys

import pytest

from gateway_admin import logs

HOSTILE = 'x\n2026-11-23T00:00:00Z INFO forged\r\n{"level": "INFO"}'


def record(message: str, **extra: object) -> logging.LogRecord:
    made = logging.LogRecord("gateway_admin.x", logging.WARNING, __file__, 1, message, None, None)
    made.created = 1_795_435_200.25
    made.__dict__.update(extra)
    return made


def formatter(log_format: str) -> logging.Formatter:
    configured = logs.configuration(log_format)
    configurator = logging.config.DictConfigurator(configured)
    made = configurator.configure_formatter(configurator.config["formatters"][log_format])
    assert isinstance(made, logging.Formatter)
    return made


def test_a_line_of_text_has_its_time_in_utc() -> None:
    assert formatter("text").format(record("It happened.")) == (
        "2026-11-23T12:00:00.250Z WARNING gateway_admin.x It happened."
    )


@pytest.mark.parametrize(
    ("name", "written"),
    [
        (HOSTILE, r'x\n2026-11-23T00:00:00Z INFO forged\r\n{"level": "INFO"}'),
        ("a\x1b[2Jb\0c", r"a\x1b[2Jb\x00c"),
        ("a\u202eb\u2028c\x85d\ud800", r"a\u202eb\u2028c\x85d\ud800"),
        ("Grüße, 東京 \\n", "Grüße, 東京 \\n"),
    ],
)
def test_a_line_of_text_is_one_line_whatever_is_quoted(name: str, written: str) -> None:
    line = formatter("text").format(record(f"Issued by {name}."))
    assert line == f"2026-11-23T12:00:00.250Z WARNING gateway_admin.x Issued by {written}."
    line.encode()


def test_no_line_of_a_traceback_looks_like_an_event() -> None:
    made = record("It failed.")
    try:
        raise RuntimeError(HOSTILE)
    except RuntimeError:
        made.exc_info = sys.exc_info()
    made.exc_text = HOSTILE
    made.stack_info = HOSTILE
    first, *others = formatter("text").format(made).splitlines()
    assert first.endswith("It failed.")
    assert others
    assert all(line.startswith("    ") for line in others)
    assert any("INFO forged" in line for line in others)


def test_a_line_of_json_is_one_document_with_all_fields() -> None:
    line = formatter("json").format(record(HOSTILE, event="e", gateway=None, detail=HOSTILE))
    assert len(line.splitlines()) == 1
    assert json.loads(line) == {
        "at": "2026-11-23T12:00:00.250Z",
        "level": "WARNING",
        "logger": "gateway_admin.x",
        "message": HOSTILE,
        "event": "e",
        "gateway": None,
        "detail": HOSTILE,
    }


def test_what_a_sender_did_is_a_line_without_a_traceback() -> None:
    refused, failed = (record("Too much.", status_code=status) for status in (400, 500))
    for made in (refused, failed):
        made.levelno, made.levelname = logging.ERROR, "ERROR"
        try:
            raise RuntimeError(HOSTILE)
        except RuntimeError:
            made.exc_info = sys.exc_info()
    configured = logs.configuration("text")
    configurator = logging.config.DictConfigurator(configured)
    handler_filters = configurator.config["handlers"]["stream"]["filters"]
    for name in handler_filters:
        applied = configurator.configure_filter(configurator.config["filters"][name])
        assert all(applied.filter(made) for made in (refused, failed))

    assert formatter("text").format(refused).endswith("WARNING gateway_admin.x Too much.")
    assert "Traceback" in formatter("text").format(failed)


def test_a_traceback_is_in_the_same_document() -> None:
    made = record("It failed.")
    try:
        raise RuntimeError(HOSTILE)
    except RuntimeError:
        made.exc_info = sys.exc_info()
    line = formatter("json").format(made)
    assert len(line.splitlines()) == 1
    assert "RuntimeError" in json.loads(line)["exc_info"]


@pytest.mark.parametrize(
    ("program", "stream"),
    [
        ("/srv/manage.py", "ext://sys.stderr"),
        ("manage.py", "ext://sys.stderr"),
        ("/venv/bin/celery", "ext://sys.stdout"),
        ("", "ext://sys.stdout"),
    ],
)
def test_commands_keep_standard_output_for_their_answer(
    monkeypatch: pytest.MonkeyPatch, program: str, stream: str
) -> None:
    monkeypatch.setattr(sys, "argv", [program])
    handlers = logs.configuration("json")["handlers"]
    assert isinstance(handlers, dict)
    assert handlers["stream"]["stream"] == stream


def test_the_acme_librarys_debug_lines_which_quote_requests_are_off() -> None:
    loggers = logs.configuration("text")["loggers"]
    assert isinstance(loggers, dict)
    assert loggers["acme"] == {"level": "WARNING"}
