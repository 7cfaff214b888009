"""Figures show their data, and equal data give equal bytes. Their appearance is reviewed by people."""

from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from matplotlib.colors import to_rgba

from foolflow.data.artefacts import Artefacts
from foolflow.figures import (
    accuracy_curve,
    accuracy_dots,
    attack_sheet,
    explorations,
    flow_arrows,
    flow_budget,
    other_ways,
    perturbation,
    sample_grid,
    security_curves,
    strengths,
    target_grid,
    training_curves,
    waterfall,
)
from foolflow.figures.style import GREY, RIGHT, WRONG, save_figure
from foolflow.statistics.minimal import NoiseCurve, security_curve

SWEEP = pd.DataFrame(
    {
        "dataset": ["mnist"] * 3 + ["cifar10"] * 3,
        "model": ["lenet"] * 3 + ["six_conv"] * 3,
        "attack": "fgsm",
        "seed": 0,
        "epsilon": [0, 0.1, 0.2] * 2,
        "accuracy": [0.99, 0.8, 0.3, 0.9, 0.1, 0.05],
        "low": [0.98, 0.7, 0.2, 0.85, 0.05, 0.01],
        "high": [1.0, 0.9, 0.4, 0.95, 0.15, 0.1],
        "published_tutorial": [0.98, 0.85, 0.43, None, None, None],
        "published_newer_tutorial": [0.99, 0.87, 0.49, None, None, None],
        "control_accuracy": [None, None, None, 0.9, 0.88, 0.85],
        "control_low": [None, None, None, 0.87, 0.85, 0.8],
        "control_high": [None, None, None, 0.93, 0.91, 0.9],
    }
)
ACCURACY = pd.DataFrame(
    {
        "dataset": ["mnist", "mnist", "fashion_mnist", "fashion_mnist"],
        "model": ["A", "B"] * 2,
        "seed": 0,
        "test": [0.99, 0.98, 0.92, 0.91],
        "low": [0.985, 0.975, 0.91, 0.90],
        "high": [0.995, 0.985, 0.93, 0.92],
        "published_paper": [0.9858, None, None, None],
        "published_train": [0.5, 0.5, 0.5, 0.5],
    }
)
HISTORY = pd.DataFrame(
    {
        "epoch": [1, 2, 3],
        "learning_rate": 0.1,
        "train_loss": [1.0, 0.5, 0.3],
        "val_loss": [0.9, 0.6, 0.7],
        "train_accuracy": [0.5, 0.7, 0.9],
        "val_accuracy": [0.6, 0.8, 0.7],
        "seconds": 1.0,
        "images_per_second": 100.0,
    }
)
ROWS = [
    sample_grid.Row("clean", np.zeros((2, 3, 4, 4), np.uint8), ["cat", "dog"]),
    sample_grid.Row("ε = 0.1", np.full((2, 3, 4, 4), 0.5, np.float32), ["dog", "dog"]),
]
CURVES = [
    security_curves.Curve("mnist", name, security_curve(pd.Series(values)), median, 4)
    for name, values, median in (("MLP", [0.0, 1.0, 2.0, 3.0], 2.0), ("CNN", [1.0, 2.0, np.inf, np.inf], np.inf))
]
CLEAN, ATTACKED = np.zeros((1, 4, 4), np.float32), np.full((1, 4, 4), 0.5, np.float32)

IMAGE = np.full((1, 6, 6), 0.5, np.float32)
EXPLORED = pd.DataFrame(
    {
        "model": "B",
        "parameter": ["tau", "tau", "init"],
        "value": ["0.05", "0.005", "zeros"],
        "success": [0.2, 0.9, 0.5],
        "low": [0.1, 0.8, 0.4],
        "high": [0.3, 1.0, 0.6],
        "median_flow_loss": [None, 50.0, 40.0],
        "flow_low": [None, 45.0, None],
        "flow_high": [None, 55.0, None],
    }
)
STRENGTHS = pd.DataFrame(
    {
        "method": ["", "blur", "blur", "jpeg"],
        "parameter": ["", "sigma", "sigma", "quality"],
        "value": ["", "1", "2", "75"],
        "kind": "adaptive",
        "attack": "pgd",
        "n": 100,
        "clean": [1.0, 0.9, 0.4, 0.8],
        "clean_low": 0.3,
        "clean_high": 1.0,
        "accuracy": [0.0, 0.2, 0.3, 0.1],
        "accuracy_low": [0.0, 0.1, 0.2, 0.0],
        "accuracy_high": [0.1, 0.3, 0.4, 0.2],
    }
)
STEPS = pd.DataFrame(
    {
        "change": ["as published", "counted correctly", "fixed"],
        "success": [0.5, 0.1, 1.0],
        "low": [0.4, 0.05, 0.99],
        "high": [0.6, 0.15, 1.0],
    }
)

WAYS = pd.DataFrame(
    {
        "dataset": "mnist",
        "model": "lenet",
        "seed": 0,
        "way": ["clean", "white box", "white box", "black box, transfer", "control"],
        "attack": [None, "fgsm", "fgsm", "fgsm", "rotated"],
        "source": [None, None, None, "CNN/none", None],
        "l2": [None, 1.0, 2.0, 1.0, 3.0],
        "accuracy": [0.99, 0.8, 0.3, 0.9, 0.7],
        "low": [0.98, 0.7, 0.2, 0.85, 0.6],
        "high": [1.0, 0.9, 0.4, 0.95, 0.8],
    }
)

DRAWN = {
    "target_grid": lambda: target_grid.draw("title", ["cat", "dog"], {0: IMAGE}, {(0, 1): (IMAGE, False)}),
    "attack_sheet": lambda: attack_sheet.draw("title", np.stack([IMAGE] * 9), ["a → b (b)"] * 9, [True] * 8 + [False]),
    "flow_arrows": lambda: flow_arrows.draw(
        "title", [flow_arrows.Warped(IMAGE, np.eye(6)[None].repeat(2, 0), IMAGE, "cat", "dog", 3.0)]
    ),
    "explorations": lambda: explorations.draw("title", EXPLORED),
    "strengths": lambda: strengths.draw("title", STRENGTHS),
    "waterfall": lambda: waterfall.draw("title", STEPS),
    "accuracy_curve": lambda: accuracy_curve.draw(SWEEP),
    "other_ways": lambda: other_ways.draw(WAYS),
    "accuracy_dots": lambda: accuracy_dots.draw("title", ACCURACY),
    "training_curves": lambda: training_curves.draw("title", HISTORY),
    "sample_grid": lambda: sample_grid.draw("title", ["cat", "dog"], ROWS),
    "security_curves": lambda: security_curves.draw(CURVES),
    "perturbation": lambda: perturbation.draw(
        "title", "cat", perturbation.Shown(CLEAN, "cat", 0.9999), perturbation.Shown(ATTACKED, "dog", 0.501)
    ),
}


@pytest.mark.parametrize("draw", DRAWN.values(), ids=DRAWN)
def test_the_same_data_give_the_same_bytes(draw, tmp_path):
    saved = []
    for name in ("one", "two"):
        png, pdf = tmp_path / f"{name}.png", tmp_path / f"{name}.pdf"
        save_figure(draw(), png, pdf)
        saved.append((png.read_bytes(), pdf.read_bytes()))
    assert saved[0] == saved[1]
    assert saved[0][0].startswith(b"\x89PNG")
    assert saved[0][1].startswith(b"%PDF")


def test_a_published_row_is_drawn_once_for_several_networks():
    second = SWEEP[SWEEP["dataset"] == "mnist"].assign(model="lenet_4_epochs")
    axes = accuracy_curve.draw(pd.concat([SWEEP, second])).axes[0]
    labels = axes.get_legend_handles_labels()[1]
    assert labels.count("R4 and the tutorial") == 1
    assert "lenet_4_epochs, fgsm" in labels


def test_attacks_and_controls_have_a_panel_each_with_a_line_per_way():
    attacks, controls = DRAWN["other_ways"]().axes
    lines, labels = attacks.get_legend_handles_labels()
    assert labels == ["fgsm (white box)", "fgsm (made on CNN/none)", "clean"]
    assert lines[0].get_xdata().tolist() == [1.0, 2.0]
    assert controls.get_legend_handles_labels()[1] == ["rotated", "clean"]
    assert attacks.get_xlim() == controls.get_xlim()


def test_the_seeds_of_a_network_share_its_panels():
    figure = other_ways.draw(pd.concat([WAYS, WAYS.assign(seed=1)]))
    assert len(figure.axes) == 2
    first, second = figure.axes[0].lines[:2]
    assert first.get_color() == second.get_color()
    assert len(figure.axes[0].get_legend_handles_labels()[1]) == 3


def test_a_way_looks_the_same_on_every_network():
    without_first = WAYS[WAYS["attack"] != "fgsm"].assign(model="another")
    without_first.loc[len(WAYS)] = WAYS.iloc[3]
    figure = other_ways.draw(pd.concat([without_first.assign(model="another"), WAYS]))
    looks = [
        {label: (line.get_color(), line.get_linestyle()) for line, label in zip(*both, strict=True)}
        for both in (axes.get_legend_handles_labels() for axes in figure.axes)
    ]
    assert looks[:2] == looks[2:]


def test_the_curve_has_a_panel_per_data_set_with_a_line_per_model_and_the_published_points():
    mnist, cifar10 = DRAWN["accuracy_curve"]().axes
    assert [axes.get_title(loc="left") for axes in (mnist, cifar10)] == ["mnist", "cifar10"]
    labels = mnist.get_legend_handles_labels()[1]
    assert labels == ["lenet, fgsm", "R4 and the tutorial", "the tutorial's newer page"]
    assert cifar10.get_legend_handles_labels()[1] == ["six_conv, fgsm", "random noise of the same size"]
    attacked, published, _ = mnist.lines
    assert attacked.get_ydata().tolist() == pytest.approx([99, 80, 30])
    assert published.get_ydata().tolist() == pytest.approx([98, 85, 43])
    attacked, noise = cifar10.lines
    assert noise.get_ydata().tolist() == pytest.approx([90, 88, 85])
    assert noise.get_color() == attacked.get_color()
    assert (attacked.get_linestyle(), noise.get_linestyle()) == ("-", "--")
    assert "epsilon" in mnist.get_xlabel()
    assert "%" in mnist.get_ylabel()


def test_the_axis_is_logarithmic_where_the_small_epsilons_would_lie_on_top_of_each_other():
    fine = SWEEP[SWEEP["dataset"] == "cifar10"]
    axes = accuracy_curve.draw(fine.assign(epsilon=[0, 1 / 255, 0.3])).axes[0]
    places = axes.transData.transform([(epsilon, 50) for epsilon in (0, 1 / 255, 0.3)])[:, 0]
    assert places[1] - places[0] > 0.1 * (places[2] - places[0])
    assert [tick.get_text() for tick in axes.get_xticklabels()][:3] == ["0", "1/255", "2/255"]
    assert accuracy_curve.draw(fine.assign(epsilon=[0, 0.05, 0.3])).axes[0].get_xscale() == "linear"


def test_the_seeds_of_a_sweep_share_their_entries_of_the_legend():
    seeds = pd.concat([SWEEP.iloc[3:].assign(seed=seed) for seed in (0, 1, 2)])
    axes = accuracy_curve.draw(seeds).axes[0]
    assert len(axes.lines) == 6
    entries = ["six_conv, fgsm (3 seeds)", "random noise of the same size"]
    assert axes.get_legend_handles_labels()[1] == entries


def test_the_dots_show_every_data_set_but_no_published_train_accuracy():
    figure = DRAWN["accuracy_dots"]()
    assert [axes.get_title(loc="left") for axes in figure.axes] == ["mnist", "fashion_mnist"]
    labels = {text.get_text() for text in figure.legends[0].get_texts()}
    assert labels == {"Foolflow, 95 % interval", "published: paper"}


def test_a_panel_of_dots_has_the_models_of_its_data_set_alone():
    table = pd.concat([ACCURACY, ACCURACY.iloc[:1].assign(dataset="cifar10", model="six_conv")])
    named = [[label.get_text() for label in axes.get_yticklabels()] for axes in accuracy_dots.draw("title", table).axes]
    assert named == [["A", "B"], ["A", "B"], ["six_conv"]]


def test_the_seeds_of_a_model_have_dots_of_their_own_and_one_published_value():
    once = ACCURACY.iloc[:1].assign(model="one_seed", published_paper=None)
    seeds = pd.concat([*(ACCURACY.iloc[:2].assign(seed=seed) for seed in range(12)), once])
    figure = accuracy_dots.draw("title", seeds)
    (axes,) = figure.axes
    ours, published = axes.containers[0][0].get_ydata(), axes.lines[-1]
    assert [round(height) for height in ours] == [0, 1] * 12 + [2]  # each in the row of its model
    assert len(set(ours)) == 25
    assert ours[-1] == 2
    assert len(published.get_ydata()) == 1
    assert any("each training seed" in text.get_text() for text in figure.legends[0].get_texts())


def test_the_best_epoch_is_marked(tmp_path):
    labels = DRAWN["training_curves"]().axes[1].get_legend_handles_labels()[1]
    assert "weights kept (epoch 2)" in labels
    # As the training writes it: empty in the epochs without an attack, which counts in the score.
    robust = HISTORY.assign(val_attacked_accuracy=[None, 0.1, 0.3], val_pgd_accuracy=[None, 0.1, 0.3])
    robust.to_csv(tmp_path / "history.csv", index=False)
    axes = training_curves.draw("title", pd.read_csv(tmp_path / "history.csv")).axes[1]
    assert "weights kept (epoch 3)" in axes.get_legend_handles_labels()[1]


def test_fooled_images_are_titled_in_red():
    titles = [axes.title for axes in DRAWN["sample_grid"]().axes]
    assert [title.get_text() for title in titles] == ["cat → cat", "dog → dog", "cat → dog", "dog → dog"]
    assert [title.get_color() == WRONG for title in titles] == [False, False, True, False]


def test_a_security_curve_falls_from_the_clean_accuracy_in_steps():
    axes = DRAWN["security_curves"]().axes[0]
    first, second = axes.lines
    assert first.get_drawstyle() == "steps-post"
    assert first.get_xdata()[:4].tolist() == [0, 1, 2, 3]
    assert first.get_ydata()[:4].tolist() == [75, 50, 25, 0]
    assert second.get_ydata()[-1] == 50  # two are never fooled
    assert axes.get_legend_handles_labels()[1] == ["MLP: 2.00", "CNN: ∞"]
    assert len(axes.collections) == 2  # the bands


def test_the_noise_of_all_networks_is_grey_and_has_one_entry_in_the_legend_below():
    points = np.array([0.0, 1.0, 2.0])
    noise = NoiseCurve(points, 1 - points / 10, 0.9 - points / 10, 1 - points / 20)
    axes = security_curves.draw([replace(curve, noise=noise) for curve in CURVES]).axes[0]
    found = [line for line in axes.lines if line.get_marker() == "x" and len(line.get_xdata())]
    assert [line.get_color() for line in found] == [GREY, GREY]
    assert found[0].get_ydata().tolist() == [100, 90, 80]
    labels = axes.get_legend_handles_labels()[1]
    assert labels == ["MLP: 2.00", "CNN: ∞", "random noise of the same size, a line per network"]
    axes.figure.canvas.draw()
    assert axes.get_legend().get_window_extent().y1 < axes.get_window_extent().y0


@pytest.mark.parametrize("control", [None, "noise"])
def test_the_figure_of_security_curves_reads_the_noise_from_the_judgements(tmp_path, control):
    victim = {"dataset": "mnist", "model": "MLP", "defense": "none", "seed": 0}
    attacked = {"attack": "dichotomy", "epsilon": None, "prediction": 1, "success": True, "l2": [0.5, 1.0, 1.5, 0.0]}
    noise = {"attack": "noise", "epsilon": 2.0, "prediction": [0, 0, 1, 1], "success": [False, False, True, True]}
    records = pd.concat(
        pd.DataFrame({"index": range(4), "label": 0, "clean_prediction": [0, 0, 0, 1], "source": "MLP/none"} | one)
        for one in (attacked, noise | {"l2": [1.0, 1.2, 1.4, 0.0]})
    )
    path = tmp_path / "judgements/minimal/mnist/MLP/none/0/records.parquet"
    path.parent.mkdir(parents=True)
    records.to_parquet(path)
    spec = {"attacked": [victim | {"attack": "dichotomy"}], "control": control}
    lines = security_curves.build(spec, Artefacts({"judgements": [path]})).axes[0].lines
    found = [line for line in lines if line.get_marker() == "x" and len(line.get_xdata())]
    assert len(found) == (control is not None)
    for line in found:
        assert line.get_xdata().tolist() == pytest.approx([0, 1.2])
        assert line.get_ydata().tolist() == [75, 50]


@pytest.mark.parametrize(
    ("targeted", "left"), [(False, "robust accuracy (%)"), (True, "images not fooled into the target (%)")]
)
def test_the_accuracy_falls_where_the_flow_loss_reaches_what_fooled_an_image(targeted, left, tmp_path):
    cell = {"dataset": "mnist", "model": "B", "defense": "blur", "seed": 0, "attack": "stadv"}
    path = tmp_path / "judgements/defenses/mnist/B/blur/0/records.parquet"
    path.parent.mkdir(parents=True)
    pd.DataFrame(
        {"index": range(4), "label": 0, "source": "B/blur", "attack": "stadv", "clean_prediction": [0, 0, 0, 1]}
        | {"success": [True, True, False, True], "flow_loss": [20.0, 50.0, 0.0, 0.0]}
    ).to_parquet(path)
    spec = {"attacked": [cell | {"panel": "mnist, B", "name": "blur"}], "targeted": targeted}
    axes = flow_budget.build(spec, Artefacts({"judgements": [path]})).axes[0]
    assert axes.get_xlabel() == "largest flow loss of the adversary (pixels)"
    assert axes.get_ylabel() == left
    assert axes.lines[0].get_label() == "blur: 50.00"  # of the three images that were correct
    assert axes.lines[0].get_xdata().tolist()[:3] == [0, 20, 50]
    assert axes.lines[0].get_ydata().tolist()[:3] == [75, 50, 25]


def test_a_few_large_distances_do_not_set_the_axis():
    most, few = security_curve(pd.Series(np.arange(1.0, 96.0))), security_curve(pd.Series([1000.0, 2000.0]))
    shown = [security_curves.Curve("mnist", name, curve, 1.0, 95) for name, curve in (("a", most), ("b", few))]
    assert security_curves.draw(shown).axes[0].get_xlim()[1] == pytest.approx(2040)
    axes = security_curves.draw(shown, share=0.95).axes[0]
    assert 90 < axes.get_xlim()[1] < 100
    for line in axes.lines:
        assert (np.diff(line.get_xdata()) >= 0).all()
        assert line.get_xdata()[-1] >= axes.get_xlim()[1]


def test_more_networks_than_colours_have_distinct_lines():
    curve = security_curve(pd.Series([1.0, 2.0]))
    many = [security_curves.Curve("mnist", str(number), curve, 1.0, 2) for number in range(10)]
    lines = security_curves.draw(many).axes[0].lines
    assert len({(line.get_color(), line.get_linestyle()) for line in lines}) == 10


def test_the_perturbation_is_drawn_between_the_two_images_with_its_norm():
    original, middle, adversarial, _ = DRAWN["perturbation"]().axes
    assert original.get_xlabel() == "cat, confidence 99.9 %"
    assert "||r||₂ = 2.000" in middle.get_xlabel()  # the root of 16 times 0.5²
    assert adversarial.get_xlabel() == "dog, confidence 50.1 %"
    assert [axes.xaxis.label.get_color() for axes in (original, adversarial)] == [RIGHT, WRONG]


@pytest.mark.parametrize("channels", [1, 3])
def test_an_unchanged_image_can_be_drawn(channels):
    shown = perturbation.Shown(np.zeros((channels, 4, 4), np.float32), "dog", 1.0)
    figure = perturbation.draw("title", "cat", shown, shown)
    assert "||r||₂ = 0.000" in figure.axes[1].get_xlabel()
    figure.canvas.draw()


def test_failed_attacks_are_marked_on_the_grid_and_on_the_sheet():
    figure = DRAWN["target_grid"]()
    frames = [patch.get_edgecolor() for axes in figure.axes for patch in axes.patches]
    assert to_rgba(WRONG) in frames
    titles = [axes.title for axes in DRAWN["attack_sheet"]().axes]
    assert [title.get_color() == WRONG for title in titles[:9]] == [False] * 8 + [True]


def test_arrows_point_from_the_sampled_place_to_the_pixel():
    (quiver,) = DRAWN["flow_arrows"]().axes[1].collections
    assert len(quiver.U) == 6  # the pixels of the diagonal; the others do not move
    assert (quiver.U == -1).all()
    assert (quiver.V == -1).all()
    assert quiver.X.tolist() == [1, 2, 3, 4, 5, 6]


def test_each_waterfall_bar_starts_where_the_previous_one_ends():
    bars = DRAWN["waterfall"]().axes[0].patches
    assert [(bar.get_x(), bar.get_width()) for bar in bars] == [(0, 50), (10, 40), (0, 100)]


def test_each_filter_has_a_panel_that_begins_without_a_filter():
    blur, recompressed = strengths.draw("title", STRENGTHS).axes
    assert [label.get_text() for label in blur.get_xticklabels()] == ["none", "1", "2"]
    assert [label.get_text() for label in recompressed.get_xticklabels()] == ["none", "75"]
    clean, attacked = (bars.lines[0].get_ydata() for bars in blur.containers)
    assert list(clean) == [100, 90, 40]
    assert list(attacked) == pytest.approx([0, 20, 30])


NEVER_RIGHT = {
    "attack_sheet": attack_sheet,
    "flow_arrows": flow_arrows,
    "sample_grid": sample_grid,
    "target_grid": target_grid,
}


@pytest.mark.parametrize("module", NEVER_RIGHT.values(), ids=NEVER_RIGHT)
def test_a_victim_that_is_never_right_has_a_figure_that_says_so(module, tmp_path):
    records = pd.DataFrame(
        {
            "index": [0, 1],
            "epsilon": 0.1,
            "label": 0,
            "clean_prediction": 1,
            "prediction": 1,
            "target": 1,
            "success": True,
        }
    )
    artefacts = SimpleNamespace(
        records=lambda cell: records, split=lambda cell: None, class_names=lambda cell: ("cat", "dog")
    )
    figure = module.build({"title": "A title that is much longer than the figure is wide, " * 3, "cell": {}}, artefacts)
    assert figure.texts[0].get_text() in ("the victim classifies no image correctly", "the attack fooled no image")
    save_figure(figure, tmp_path / "a.png", tmp_path / "a.pdf")
