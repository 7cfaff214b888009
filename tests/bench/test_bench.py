"""A quick run of every task. `make bench` measures the speed."""

import pytest
import torch

from bench import contenders, loops
from bench.measuring import measure, pose
from bench.rendering import draw, markdown, table
from foolflow.attacks.dichotomy import dichotomy

QUICK = [
    lambda: contenders.noise(epsilon=0.3),
    lambda: contenders.fgsm(epsilon=0.3),
    lambda: contenders.pgd("linf", steps=3),
    lambda: contenders.pgd("l2", steps=3),
    lambda: contenders.apgd(steps=5),
    lambda: contenders.fab(steps=5),
    lambda: contenders.square(queries=20),
    lambda: contenders.autoattack("linf", epsilon=0.4),
    lambda: contenders.deepfool("l2", steps=20),
    lambda: contenders.deepfool("linf", steps=20),
    lambda: contenders.minimal_l2(gradients=20),
    lambda: contenders.minimal_linf(gradients=20),
    lambda: contenders.dichotomy(steps=10),
    lambda: contenders.automatic(steps=20),
    lambda: contenders.stadv(0.005, max_evaluations=20, steps=20, restarts=0),
]


@pytest.fixture(scope="module")
def problem(trained):
    right = (trained.model(trained.images[:20]).argmax(1) == trained.labels[:20]).nonzero().squeeze(1)[:3]
    return pose(trained.model, trained.images[right], trained.labels[right], batch_size=2, clock="cpu")


@pytest.fixture(scope="module")
def measured(problem):
    tasks = [task() for task in QUICK]
    return [("a victim", task, measure(problem, task, repeats=1, report=lambda _: None)) for task in tasks]


def test_every_installed_library_has_a_row_and_ours_is_first(measured):
    for _, task, found in measured:
        assert [one.contender for one in found] == [one for one in task.contenders if not one.missing]
        assert found[0].contender.name == contenders.OURS
    data = table(measured)
    assert (data["images_per_second"] > 0).all()
    without = data["attack"].str.startswith(("noise", "Square"))
    assert (data.loc[~without, "gradient_evaluations"] > 0).all()
    theirs = data["library"].ne(contenders.OURS)  # ours tries the model in both directions, see `accelerated`
    assert data.loc[without & theirs, "gradient_evaluations"].eq(0).all()
    assert data.loc[data["library"].eq(contenders.OURS) & data["how"].eq(""), "ours_times_as_fast"].eq(1).all()


def test_a_contender_with_fewer_images_is_compared_with_ours_on_those(problem):
    given = []

    def ours(_, images, *__):
        given.append(len(images))
        return images

    fewer = contenders.Contender("other", lambda _, images, *__: images, images=1)
    task = contenders.Task("x", "linf", [contenders.Contender(contenders.OURS, ours), fewer])
    all_images, one_image = measure(problem, task, repeats=1, report=lambda _: None)
    inspected = timed = [2, 1]  # in batches of two
    assert given == [*inspected, *timed, 1]
    assert all_images.ours == all_images.seconds
    assert one_image.ours != all_images.ours


def test_our_unbounded_attacks_fool_every_image(measured):
    for _, task, found in measured:
        if task.name.startswith(("DeepFool", "dichotomy", "automatic")):
            assert found[0].success == 1


def test_passes_are_counted_per_image(measured):
    fgsm, tutorial = measured[1][2][0], measured[1][2][-1]
    assert (fgsm.gradients, fgsm.forwards) == (1, 2)
    assert (tutorial.gradients, tutorial.forwards) == (1, 2)


def test_measurements_become_a_table_and_a_figure(measured):
    data = table(measured)
    text = markdown(data, "a title", ["a note"])
    assert text.count("\n| ") + text.count("\n|:") == len(data) + 2
    assert len(draw(data, "a title").axes) == len(measured)


def test_a_missing_peer_is_left_out_and_reported_in_one_line(problem, monkeypatch):
    import foolflow.attacks.peers.foolbox as plugin

    def absent(*_):
        raise ModuleNotFoundError("No module named 'foolbox'")

    monkeypatch.setattr(plugin, "make", absent)
    lines: list[str] = []
    found = measure(problem, contenders.fgsm(), repeats=1, report=lines.append)
    assert "foolbox" not in [one.contender.library for one in found]
    (line,) = [line for line in lines if "left out" in line]
    assert "No module named 'foolbox'" in line


def test_a_peer_that_fails_is_left_out_and_reported_in_one_line(problem):
    def failing(*_):
        raise RuntimeError("view size is not compatible")

    ours, *_ = contenders.fgsm().contenders
    task = contenders.Task("FGSM", "linf", [ours, contenders.Contender("theirs", failing)])
    lines: list[str] = []
    assert [one.contender.library for one in measure(problem, task, repeats=1, report=lines.append)] == [ours.library]
    assert lines[-1] == "theirs is left out: RuntimeError: view size is not compatible"


def test_the_dichotomy_loop_gives_the_result_of_the_batched_attack(problem):
    parameters = {"steps": 60, "learning_rate": 0.02, "interval": (0.0, 4.0), "precision": 0.1}
    one_by_one = loops.dichotomy_loop(problem.model, problem.images, problem.labels, **parameters)
    batched = dichotomy(problem.model, problem.images, problem.labels, variant="published", **parameters)
    lengths = [(made - problem.images).flatten(1).norm(dim=1).median() for made in (one_by_one, batched.images)]
    assert batched.success.all()
    assert torch.isclose(*lengths, rtol=0.15)
