import os

import pytest

from foolflow.jobs import progress
from foolflow.jobs.progress import TERMINAL, Progress


@pytest.fixture
def clock(monkeypatch):
    now = [100.0]
    monkeypatch.setattr(progress.time, "monotonic", lambda: now[0])
    return now


def test_the_time_left_counts_what_this_run_did_and_not_an_earlier_one(clock):
    lines = []
    told = Progress("training", "epochs", write=lines.append)
    told.begin(10, done=6)
    clock[0] += 12
    told.at(7.5)
    assert lines == ["training: 7.5 of 10 epochs, 20 s left"]


def test_the_log_hears_more_often_than_the_terminal_and_neither_every_time(clock, monkeypatch):
    reading, writing = os.pipe()
    monkeypatch.setenv(TERMINAL, str(writing))
    lines = []
    told = Progress("attack", "batches", write=lines.append)
    told.begin(1000)
    for done in range(1, 101):
        clock[0] += 1
        told.at(done)
    os.close(writing)
    with os.fdopen(reading) as terminal:
        shown = terminal.read().splitlines()
    assert len(lines) == 10
    assert shown == [
        f"attack: {done} of 1,000 batches, {left} min left" for done, left in ((30, 16), (60, 16), (90, 15))
    ]


def test_a_closed_terminal_is_no_reason_to_stop(monkeypatch, capsys):
    reading, writing = os.pipe()
    os.close(reading)
    os.close(writing)
    monkeypatch.setenv(TERMINAL, str(writing))
    progress.print_to_terminal("line")
    progress.print_to_terminal("line")
    assert capsys.readouterr().err.count("the terminal is gone") == 1


@pytest.mark.parametrize(
    ("seconds", "text"), [(0, "0 s"), (89.4, "89 s"), (100, "2 min"), (5399, "1 h 30 min"), (36000, "10 h 00 min")]
)
def test_durations_are_as_people_say_them(seconds, text):
    assert progress._duration(seconds) == text
