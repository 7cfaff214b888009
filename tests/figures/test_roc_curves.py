import numpy as np

from foolflow.figures import roc_curves
from foolflow.statistics.detection import roc


def test_each_attack_has_a_curve_and_the_adaptive_one_is_dashed():
    clean = np.linspace(0, 1, 100)
    curves = [
        roc_curves.Curve("fgsm", roc(clean, clean + 0.5), adaptive=False),
        roc_curves.Curve("pgd_undetected", roc(clean, clean), adaptive=True),
    ]
    figure = roc_curves.draw([roc_curves.Panel("mnist, CNN", 0.05, curves)])
    axes = figure.axes[0]
    _, found, hidden, threshold = axes.lines
    assert (found.get_label(), hidden.get_label()) == ("fgsm: 87.2", "pgd_undetected: 50.0")
    assert hidden.get_linestyle() == "--"
    assert found.get_linestyle() == "-"
    assert found.get_ydata()[-1] == 100
    assert threshold.get_xdata()[0] == 5
    figure.canvas.draw()
