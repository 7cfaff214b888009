import json
import subprocess
import sys

import numpy as np
from torchvision.datasets import ImageFolder

from foolflow.data.adversarial import AdversarialSet
from foolflow.data.splits import Split
from tests.saving import save_set, save_split


def export(root, folder, classes, labels, epsilon=0.1):
    """Run scripts/export_images.py on images whose brightness is their label. Images at other epsilons are black."""
    images = (labels[:, None, None, None] / 255 * np.ones((1, 1, 4, 4))).astype(np.float32)
    names = tuple(f"class {label}" for label in range(classes))
    save_split(folder / "test.safetensors", Split((images * 255).round().astype(np.uint8), labels, names))
    made = {
        "images": np.concatenate([0 * images, images]),
        "index": np.tile(np.arange(len(labels)), 2),
        "epsilon": np.repeat([0.05, 0.1], len(labels)),
        **dict.fromkeys(("target", "iterations", "gradient_evaluations"), np.zeros(2 * len(labels), np.int64)),
    }
    save_set(folder / "adversarial.safetensors", AdversarialSet(made))
    command = [sys.executable, root / "scripts", "export_images", "--spec", json.dumps({"epsilon": epsilon})]
    inputs = ["--images", folder / "test.safetensors", "--adversarial", folder / "adversarial.safetensors"]
    done = subprocess.run(
        [*command, *inputs, "--folder", folder / "tree"], cwd=folder, capture_output=True, text=True, check=False
    )
    if done.returncode:
        return done.stderr
    return ImageFolder(str(folder / "tree"), allow_empty=True)


def test_120_classes_keep_the_order_of_their_labels(root, tmp_path):
    tree = export(root, tmp_path, 120, np.arange(120))
    assert tree.targets == list(range(120))
    assert [np.asarray(image)[0, 0, 0] for image, _ in tree] == list(range(120))


def test_a_class_without_images_keeps_its_label(root, tmp_path):
    tree = export(root, tmp_path, 6, np.array([0, 5, 5]))
    assert len(tree.classes) == 6
    assert tree.targets == [0, 5, 5]


def test_a_file_is_named_after_the_index_of_its_image_in_the_test_split(root, tmp_path):
    tree = export(root, tmp_path, 3, np.array([2, 0, 2]))
    assert [path.removeprefix(f"{tmp_path}/tree/") for path, _ in tree.samples] == [
        "0_class 0/00001.png",
        "2_class 2/00000.png",
        "2_class 2/00002.png",
    ]


def test_an_epsilon_that_is_not_in_the_set_gives_a_one_line_error(root, tmp_path):
    message = export(root, tmp_path, 2, np.array([0, 1]), epsilon=0.3)
    assert message == f"error: {tmp_path / 'adversarial.safetensors'} has no images at epsilon 0.3\n"
    assert not (tmp_path / "tree").exists()
