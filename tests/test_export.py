import json
import subprocess
import sys

import numpy as np
import pandas as pd
from safetensors.numpy import save_file
from torchvision.datasets import ImageFolder

from foolflow.data.splits import Split, save_split


def export(root, folder, classes, labels):
    """Run scripts/export_images.py on images whose brightness is their label."""
    images = (labels[:, None, None, None] / 255 * np.ones((1, 1, 4, 4))).astype(np.float32)
    names = tuple(f"class {label}" for label in range(classes))
    save_split(folder / "test.safetensors", Split((images * 255).round().astype(np.uint8), labels, names))
    save_file({"images": images}, folder / "adversarial.safetensors")
    records = pd.DataFrame({"index": np.arange(len(labels)), "epsilon": 0.1, "label": labels})
    records.to_parquet(folder / "records.parquet")
    command = [sys.executable, "scripts/export_images.py", "--spec", json.dumps({"epsilon": 0.1})]
    for option in ("images", "adversarial", "records"):
        name = "test" if option == "images" else option
        ending = "parquet" if option == "records" else "safetensors"
        command += [f"--{option}", str(folder / f"{name}.{ending}")]
    subprocess.run([*command, "--folder", str(folder / "tree")], cwd=root, check=True, capture_output=True)
    return ImageFolder(str(folder / "tree"), allow_empty=True)


def test_120_classes_keep_the_order_of_their_labels(root, tmp_path):
    tree = export(root, tmp_path, 120, np.arange(120))
    assert tree.targets == list(range(120))
    assert [np.asarray(image)[0, 0, 0] for image, _ in tree] == list(range(120))


def test_a_class_without_images_keeps_its_label(root, tmp_path):
    tree = export(root, tmp_path, 6, np.array([0, 5, 5]))
    assert len(tree.classes) == 6
    assert tree.targets == [0, 5, 5]
