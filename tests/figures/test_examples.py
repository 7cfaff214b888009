"""Which eight images are shown, and what stands next to them."""

import numpy as np
import pandas as pd

from foolflow.figures.examples import Example, draw
from foolflow.statistics.budget import Budget
from foolflow.statistics.examples import COUNT, choose

BUDGET = Budget("linf", 0.1)


def records(labels, fooled, linf=0.1, clean_errors=()):
    labels = np.asarray(labels)
    clean = np.where(np.isin(np.arange(len(labels)), clean_errors), 99, labels)
    return pd.DataFrame(
        {
            "index": np.arange(len(labels)),
            "epsilon": np.nan,
            "label": labels,
            "clean_prediction": clean,
            "prediction": np.where(np.asarray(fooled, bool), 99, clean),
            "linf": linf,
        }
    )


def test_fooled_images_come_first_and_the_classes_alternate():
    labels = [0] * 10 + [1] * 10
    fooled = [1] * 4 + [0] * 6 + [1] * 2 + [0] * 8
    chosen = choose({"pgd": records(labels, fooled)}, BUDGET)
    assert [row for _, row in chosen] == [0, 10, 1, 11, 2, 3, 4, 12]
    assert len(chosen) == COUNT


def test_each_image_is_shown_with_the_first_attack_that_fooled_it():
    labels = [0, 0, 0]
    chosen = choose({"fgsm": records(labels, [1, 0, 0]), "pgd": records(labels, [1, 1, 0])}, BUDGET)
    assert chosen == [("fgsm", 0), ("pgd", 1), ("fgsm", 2)]


def test_clean_errors_are_not_shown_and_large_perturbations_do_not_count_as_fooled():
    assert choose({"pgd": records([0, 0], [1, 1], clean_errors=[0])}, BUDGET) == [("pgd", 1)]
    assert choose({"pgd": records([0, 1], [1, 1], linf=[0.5, 0.1])}, BUDGET) == [("pgd", 1), ("pgd", 0)]


def test_no_image_makes_an_empty_figure_and_a_class_name_is_never_a_formula():
    assert choose({"pgd": records([0], [1], clean_errors=[0])}, BUDGET) == []
    draw("nothing", [])
    clean = np.full((3, 8, 6), 0.5)
    shown = Example(clean, clean + 0.01, "a$b$c", "a$b$c", 1.0, "<b>{x}_^" * 9, 0.99999, "pgd")
    figure = draw("one", [shown])
    texts = [axes.get_title() for axes in figure.axes]
    figure.canvas.draw()
    assert texts[0] == "a$b$c\n100 %"
    assert not figure.axes[0].title.get_parse_math()
    name, confidence = texts[2].split("\n")
    assert "…" in name
    assert confidence == "99.9 %"
