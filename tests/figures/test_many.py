"""Figures of two classes and of a thousand, of one victim and of thirty, with any class name."""

import re
from dataclasses import fields

import numpy as np
import pandas as pd
import pytest
from matplotlib.text import Text

from foolflow.data.artefacts import Artefacts
from foolflow.figures import (
    accuracy_curve,
    accuracy_dots,
    attack_sheet,
    examples,
    explorations,
    flow_arrows,
    heat_map,
    other_ways,
    perturbation,
    roc_curves,
    sample_grid,
    security_curves,
    target_grid,
    training_curves,
    waterfall,
)
from foolflow.figures.text import class_name
from foolflow.statistics.detection import roc
from foolflow.statistics.examples import COUNT
from foolflow.statistics.minimal import security_curve
from foolflow.training.history import Epoch

SHOWN_AT = 700 / 96 * 72  # width of a figure on a page, in points
TITLE = "A title of a config, as long as somebody likes it to be, with all that there is to say " * 2
NASTY = ["$x_i", "a$b$", "_^{}\\", "<b>&", "tab\tand\nline", "", "חתול", "%d", "x" * 300, "e\u0301"]
IMAGE = np.full((1, 6, 6), 0.5, np.float32)


def names(count: int) -> list[str]:
    return NASTY if count == 10 else [f"n{number:08} some class, or several things" for number in range(count)]


def victims(count: int) -> list[str]:
    return [f"a_long_name_of_a_model_{number:02}_with_an_ending" for number in range(count)]


def grid_of_targets(classes: int, _):
    clean = dict.fromkeys(range(0, classes, 1 if classes <= 10 else 3), IMAGE)
    attacked = {(label, target): (IMAGE, True) for label in list(clean)[:10] for target in range(classes)}
    return target_grid.draw(TITLE, names(classes), clean, attacked)


def sheet(classes: int, _):
    shown = [class_name(name, attack_sheet.SHORT - 2) for name in names(classes)[:10]]
    titles = attack_sheet._titles([(name, name, name) for name in shown])
    return attack_sheet.draw(TITLE, np.stack([IMAGE] * len(titles)), titles, [True] * len(titles))


def samples(classes: int, _):
    shown = names(classes)[:10]
    images = np.stack([IMAGE] * len(shown))
    return sample_grid.draw(TITLE, shown, [sample_grid.Row(label, images, shown, [0.5] * len(shown)) for label in "ab"])


def under_attack(classes: int, _):
    each = names(classes)[:COUNT]
    shown = [examples.Example(IMAGE, IMAGE, name, name, 0.999, name, 0.5, "autoattack_linf") for name in each]
    return examples.draw(TITLE, shown)


def arrows(classes: int, _):
    side = 8 * classes if classes <= 10 else 224
    image, flow = np.zeros((1, side, side), np.float32), np.ones((2, side, side))
    return flow_arrows.draw(
        TITLE, [flow_arrows.Warped(image, flow, image, name, name, 3.0) for name in names(classes)[-4:]]
    )


def perturbed(classes: int, _):
    name = names(classes)[-2]
    return perturbation.draw(TITLE, name, perturbation.Shown(IMAGE, name, 0.9), perturbation.Shown(IMAGE, name, 0.9))


def sweep(_, count: int):
    rows = [
        {"dataset": "mnist", "model": name, "attack": "fgsm", "seed": 0, "epsilon": epsilon}
        | {"accuracy": 0.5, "low": 0.4, "high": 0.6, "published_tutorial": None, "published_newer_tutorial": None}
        | {"control_accuracy": 0.8, "control_low": 0.7, "control_high": 0.9}
        for name in victims(count)
        for epsilon in (0.0, 0.1)
    ]
    return accuracy_curve.draw(pd.DataFrame(rows))


def ways(_, count: int):
    rows = [
        {"dataset": "mnist", "model": "lenet", "seed": 0, "way": way, "attack": attack, "source": None}
        | {"l2": size, "accuracy": 0.5, "low": 0.4, "high": 0.6}
        for way in ("clean", "white box", "control")
        for attack in victims(count)
        for size in (1.0, 2.0)
    ]
    return other_ways.draw(pd.DataFrame(rows))


def dots(_, count: int):
    rows = [
        {"dataset": dataset, "model": name, "seed": 0, "test": 0.5, "low": 0.4, "high": 0.6} | {"published_paper": 0.5}
        for dataset in ("mnist", "cifar10", "digits")
        for name in victims(count)
    ]
    return accuracy_dots.draw(TITLE, pd.DataFrame(rows))


def security(_, count: int):
    curve = security_curve(pd.Series([0.0, 1.0, 2.0]))
    return security_curves.draw(
        [security_curves.Curve(data, name, curve, 1.0, 3) for data in ("mnist", "digits") for name in victims(count)]
    )


def detectors(_, count: int):
    curve = roc(np.linspace(0, 1, 20), np.linspace(0.5, 1.5, 20))
    curves = [roc_curves.Curve(name, curve, adaptive=False) for name in victims(9)]
    return roc_curves.draw([roc_curves.Panel(f"median_2 on mnist, {name}", 0.05, curves) for name in victims(count)])


def explored(_, count: int):
    rows = [
        {"model": name, "parameter": parameter, "value": value, "success": 0.5, "low": 0.4, "high": 0.6}
        | {"median_flow_loss": 5.0, "flow_low": 4.0, "flow_high": 6.0}
        for name in victims(count)
        for parameter in ("tau", "gradient_tolerance", "third", "fourth")
        for value in ("0.05", "0.000064", "0.001", "1", "2", "3", "4", "5")
    ]
    return explorations.draw(TITLE, pd.DataFrame(rows))


def training(_, count: int):
    columns = [field.name for field in fields(Epoch)]
    return training_curves.draw(TITLE, pd.DataFrame(dict.fromkeys(columns, 0.5) | {"epoch": range(10 * count)}))


def matrix(_, count: int):
    values = np.full((count, count), 0.5)
    details = [["48.1 to 52.3"] * count] * count
    framed = [(place, place) for place in range(count)]
    return heat_map.draw(
        TITLE, heat_map.HeatMap(victims(count), victims(count), values, details, "source", "target", "%", framed)
    )


def steps(_, count: int):
    table = {"change": [TITLE] * (count + 1), "success": 0.5, "low": 0.4, "high": 0.6}
    return waterfall.draw(TITLE, pd.DataFrame(table))


FIGURES = {
    "target_grid": grid_of_targets,
    "attack_sheet": sheet,
    "sample_grid": samples,
    "examples": under_attack,
    "flow_arrows": arrows,
    "perturbation": perturbed,
    "accuracy_curve": sweep,
    "other_ways": ways,
    "accuracy_dots": dots,
    "security_curves": security,
    "roc_curves": detectors,
    "explorations": explored,
    "training_curves": training,
    "heat_map": matrix,
    "waterfall": steps,
}
SIZES = {"few": (2, 1), "nasty names": (10, 5), "many": (1000, 30)}


@pytest.mark.parametrize("size", SIZES.values(), ids=SIZES)
@pytest.mark.parametrize("draw", FIGURES.values(), ids=FIGURES)
def test_text_is_literal_and_readable_on_a_page(draw, size):
    figure = draw(*size)
    figure.canvas.draw()
    box = figure.get_tightbbox()
    texts = [text for text in figure.findobj(Text) if text.get_text().strip() and text.get_visible()]
    # Matplotlib makes the labels of numeric axes later, outside the house style.
    words = [text for text in texts if any(one.isalpha() for one in text.get_text())]
    assert words
    assert not [text.get_text() for text in words if text.get_parse_math()]
    smaller = min(1.0, SHOWN_AT / (72 * box.width))
    assert min(text.get_fontsize() for text in texts) * smaller >= 5.8
    assert box.width < 11
    assert box.height < 60
    assert len(figure.axes) <= 130


def shown_titles(figure) -> str:
    found = [axes.get_title(loc) for axes in figure.axes for loc in ("left", "center")]
    return " ".join([figure.get_suptitle(), *found]).replace("\n", " ")


@pytest.mark.parametrize(
    ("draw", "words"),
    [
        (grid_of_targets, "(10 of 1,000 classes)"),
        (sweep, "(21 of 30 curves)"),
        (ways, "(21 of 30 ways)"),
        (security, "(21 of 30 networks)"),
        (detectors, "(12 of 30 detectors)"),
        (explored, "(21 of 30 models)"),
        (matrix, "(20 of 30 columns)"),
    ],
)
def test_a_figure_that_shows_a_part_says_so(draw, words):
    assert words in shown_titles(draw(1000, 30))
    assert not re.search(r"\(\d+ of", shown_titles(draw(2, 1)))


def test_the_grid_shows_the_classes_that_have_images():
    figure = grid_of_targets(1000, 0)
    labels = [axes.get_title() for axes in figure.axes[:10]]
    assert labels == [class_name(names(1000)[number], target_grid.LONGEST) for number in range(0, 30, 3)]
    assert all(axes.images for axes in figure.axes)


@pytest.mark.parametrize("module", [accuracy_curve, accuracy_dots, explorations, waterfall])
def test_names_that_look_like_numbers_or_like_nothing_are_shown(module, tmp_path):
    table = pd.DataFrame(
        {"dataset": "mnist", "model": ["null", "1"], "attack": "fgsm", "seed": 0, "change": ["null", "1"]}
        | {"epsilon": 0.1, "accuracy": 0.5, "success": 0.5, "test": 0.5, "low": 0.4, "high": 0.6}
        | {"control_accuracy": None, "control_low": None, "control_high": None}
        | {"published_tutorial": None, "published_newer_tutorial": None, "parameter": "init", "value": ["null", "1.0"]}
        | {"median_flow_loss": 5.0, "flow_low": 4.0, "flow_high": 6.0}
    )
    path = tmp_path / "tables/one.csv"
    path.parent.mkdir()
    table.to_csv(path, index=False)
    figure = module.build({"title": "title", "table": "one"}, Artefacts({"tables": [path]}))
    figure.canvas.draw()
    words = " ".join(text.get_text() for text in figure.findobj(Text))
    assert "null" in words
    assert module is not explorations or "1.0" in words


@pytest.mark.parametrize("draw", [dots, matrix])
def test_shortened_names_stay_distinct(draw):
    axes = draw(0, 30).axes[0]
    assert len({label.get_text() for label in axes.get_yticklabels()}) == 30


def test_every_curve_of_a_sweep_has_its_own_look():
    lines = [line for line in sweep(0, 30).axes[0].lines if not line.get_label().startswith(("_", "random"))]
    assert len(lines) == 21
    assert len({(line.get_color(), line.get_linestyle()) for line in lines}) == 21


def test_in_a_large_image_fewer_and_longer_arrows_are_drawn():
    figure = arrows(1000, 0)
    (quiver,) = figure.axes[1].collections
    assert len(quiver.U) == 32 * 32
    assert set(quiver.U) == {-7}
    assert figure.axes[1].get_xlabel() == "1 arrow per 7 x 7 pixels, 7 times as long"


def test_predictions_are_compared_before_names_are_shortened():
    shown = ["x" * 100 + "1" + "x" * 100, "x" * 100 + "2" + "x" * 100]
    figure = sample_grid.draw("title", [shown[0]] * 2, [sample_grid.Row("row", np.stack([IMAGE] * 2), shown)])
    assert [axes.title.get_color() for axes in figure.axes] == [sample_grid.RIGHT, sample_grid.WRONG]
