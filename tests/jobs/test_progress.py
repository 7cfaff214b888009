import pytest

from foolflow.jobs import progress
from foolflow.jobs.progress import Progress, log_throughput


@pytest.fixture
def clock(monkeypatch):
    now = [100.0]
    monkeypatch.setattr(progress.time, "monotonic", lambda: now[0])
    return now


def test_the_time_left_is_estimated_from_this_run_only(clock):
    lines = []
    training = Progress("training", "epochs", write=lines.append)
    training.begin(10, done=6)
    clock[0] += 12
    training.update(7.5)
    assert lines == ["training: 7.5 of 10 epochs, 20 s left"]


def test_progress_goes_to_the_log_more_often_than_to_the_terminal(clock, monkeypatch):
    shown = []
    monkeypatch.setattr(progress, "print_to_terminal", shown.append)
    lines = []
    attack = Progress("attack", "batches", write=lines.append)
    attack.begin(1000)
    for done in range(1, 101):
        clock[0] += 1
        attack.update(done)
    assert len(lines) == 10
    assert shown == [
        f"attack: {done} of 1,000 batches, {left} min left" for done, left in ((30, 16), (60, 16), (90, 15))
    ]


def test_progress_goes_to_standard_output_by_default(clock, capsys):
    attack = Progress("attack", "batches")
    attack.begin(4)
    clock[0] += 10
    attack.update(1)
    assert capsys.readouterr().out == "attack: 1 of 4 batches, 30 s left\n"


def test_throughput_is_logged_per_second(monkeypatch, capsys):
    now = iter([5.0, 9.0])
    monkeypatch.setattr(progress.time, "perf_counter", lambda: next(now))
    with log_throughput(10_000):
        pass
    assert capsys.readouterr().out == "10,000 images in 4.0 s: 2,500.0 images/s\n"


@pytest.mark.parametrize(
    ("seconds", "text"), [(0, "0 s"), (89.4, "89 s"), (100, "2 min"), (5399, "1 h 30 min"), (36000, "10 h 00 min")]
)
def test_durations_are_formatted_for_readers(seconds, text):
    assert progress.duration(seconds) == text
