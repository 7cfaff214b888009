"""Images, clean and adversarial, before and after a filter, with predictions and confidences (R3's idea)."""

import json
from collections.abc import Mapping
from typing import Any

from matplotlib.figure import Figure

from foolflow.data.artefacts import Artefacts
from foolflow.data.reading import open_tensors
from foolflow.figures.sample_grid import Row, draw
from foolflow.figures.style import nothing_to_show


def build(spec: Mapping[str, Any], artefacts: Artefacts) -> Figure:
    """Draw the examples of one filter.

    spec: title; index, that of the file in the input `examples`; filter, its name.
    """
    path = artefacts.files["examples"][spec["index"]]
    shown = {
        "clean": "clean",
        "adversarial": "adversarial",
        "clean, filtered": f"clean, {spec['filter']}",
        "adversarial, filtered": f"adversarial, {spec['filter']}",
    }
    with open_tensors(path) as file:
        texts = json.loads(file.metadata()["texts"])
        rows = [
            Row(
                label,
                file.get_tensor(panel),
                [prediction for prediction, _ in texts["panels"][panel]],
                [confidence for _, confidence in texts["panels"][panel]],
            )
            for label, panel in shown.items()
        ]
    if not texts["labels"]:
        return nothing_to_show(spec["title"], "the attack fooled the undefended victim on no image")
    return draw(spec["title"], texts["labels"], rows)
