"""Several configs on top of each other: config.yaml, the demo's overlay, files of --configfile, --config, profiles."""

import json
import re

import pytest

from tests.end_to_end.conftest import copy_project

TARGET = "results/demo/attacks/digits/CNN/none/0/fgsm_mnist/adversarial.safetensors"
PLAIN = "results/attacks/digits/CNN/none/0/fgsm_mnist/adversarial.safetensors"
FILES = {
    "epsilon.yaml": "attacks: { fgsm_mnist: { parameters: { epsilon: 8/255 } } }\n",
    "images.yaml": "attacks: { fgsm_mnist: { images: 5e1 } }\n",
    "other.json": json.dumps({"attacks": {"fgsm_mnist": {"parameters": {"epsilon": "1e-2"}, "images": 30}}}),
    "whole.yaml": """
results: results/demo
datasets: { digits: { source: digits, val: 197, test: 500 } }
models: { CNN: { architecture: cnn.CNN, training: { epochs: 1 } } }
attacks: { fgsm_mnist: { method: fgsm, parameters: { epsilon: 2/255 } } }
""",
}
DEMO_IMAGES = 100  # what the demo's overlay changes; config.yaml has 1,000
DEMO_EPOCHS = 8  # the same for the epochs of CNN; config.yaml has 12


@pytest.fixture(scope="module")
def project(root, tmp_path_factory):
    """A project that only plans, with the configs of a user."""
    copied = copy_project(root, tmp_path_factory.mktemp("overlays") / "foolflow")
    for name, text in FILES.items():
        (copied.folder / name).write_text(text)
    return copied


def specs(project, *arguments, target=TARGET):
    """The specs of the jobs that a dry run would start, by program."""
    planned = project.snakemake("-n", "--printshellcmds", target, *arguments).stdout
    found = re.findall(r"/scripts'? (\w+) \\\n +--spec '(\{.*?\})' \\\n", planned)
    return {program: json.loads(spec) for program, spec in found}


@pytest.mark.parametrize(
    ("arguments", "epsilon", "images"),
    [
        ((), 76 / 255, DEMO_IMAGES),
        (("--configfile", "epsilon.yaml", "images.yaml"), 8 / 255, 50),
        (("--configfile", "epsilon.yaml", "other.json"), 0.01, 30),  # the last one counts
        (
            ("--configfile", "other.json", "epsilon.yaml", "--config", "attacks={fgsm_mnist: {images: 2e1}}"),
            8 / 255,
            20,
        ),
    ],
)
def test_every_config_counts_and_later_ones_override_earlier_ones(project, arguments, epsilon, images):
    planned = specs(project, *arguments)
    expected = {"method": "fgsm", "parameters": {"epsilon": epsilon}, "images": images}
    assert planned["attack"]["attack"] == expected
    assert planned["train"]["model"]["training"]["epochs"] == DEMO_EPOCHS


def test_a_config_that_replaces_the_workflows_replaces_the_demos_overlay_too(project):
    planned = specs(project, "--replace-workflow-config", "--configfile", "whole.yaml")
    assert planned["attack"]["attack"] == {"method": "fgsm", "parameters": {"epsilon": 2 / 255}}
    assert planned["train"]["model"]["training"]["epochs"] == 1


def test_without_the_demo_nothing_of_its_overlay_counts(project):
    planned = specs(project, "--configfile", "epsilon.yaml", "--workflow-profile", "profiles/default", target=PLAIN)
    expected = {"method": "fgsm", "parameters": {"epsilon": 8 / 255}, "images": 1000}
    assert planned["attack"]["attack"] == expected


def test_the_profile_for_slurm_is_one_more_layer(project):
    pytest.importorskip("snakemake_executor_plugin_slurm")
    planned = project.snakemake(
        "-n", "--printshellcmds", TARGET, "--profile", "profiles/slurm", "--configfile", "epsilon.yaml"
    ).stdout
    assert f'"epsilon": {8 / 255}' in planned
    assert f'"images": {DEMO_IMAGES}' in planned
    assert planned.count("--device cuda") == 2  # `config: [device=cuda]` of the profile


def jobs(project, *arguments):
    return int(re.search(r"^total +(\d+)$", project.snakemake("-n", *arguments).stdout, re.MULTILINE)[1])


def test_a_config_that_changes_a_number_leaves_the_demo_as_large_as_it_is(project):
    assert jobs(project, "--configfile", "epsilon.yaml") == jobs(project)


MODULE = """
module foolflow:
    snakefile: "{project}/profiles/demo/Snakefile"


use rule * from foolflow
"""


def test_a_workflow_that_uses_the_demo_as_a_module_gets_its_overlay(project, tmp_path):
    (tmp_path / "Snakefile").write_text(MODULE.format(project=project.folder))
    call = ("-s", str(tmp_path / "Snakefile"), "-d", str(tmp_path), "--configfile", "epsilon.yaml")
    planned = specs(project, *call)
    assert planned["attack"]["attack"]["images"] == DEMO_IMAGES
    assert planned["attack"]["attack"]["parameters"] == {"epsilon": 8 / 255}
