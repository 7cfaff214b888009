"""Accuracy against a budget of flow: what is left of each network if stAdv may move pixels only so unevenly."""

from collections.abc import Mapping
from typing import Any

from matplotlib.figure import Figure

from foolflow.data.artefacts import Artefacts
from foolflow.figures.security_curves import LEFT, Curve, draw
from foolflow.statistics.minimal import distances, quantile, security_curve

AXIS = "largest flow loss of the adversary (pixels)"
SHARE = 0.95  # of the flows of a panel, which its axis shows: a few large ones would press the curves together
LEFT_OF_TARGETED = "images not fooled into the target (%)"


def build(spec: Mapping[str, Any], artefacts: Artefacts) -> Figure:
    """Draw each victim's curve.

    spec: attacked, cells of stAdv, each with its `panel` and the `name` of its curve; targeted, whether the attack is.
    """
    curves = []
    for cell in spec["attacked"]:
        budget = distances(artefacts.records(cell), "flow_loss")
        median = quantile(budget[budget > 0], 0.5)
        curves.append(Curve(cell["panel"], cell["name"], security_curve(budget), median, len(budget)))
    return draw(curves, AXIS, LEFT_OF_TARGETED if spec["targeted"] else LEFT, SHARE)
