import json
import subprocess
import sys

import pytest
from foolflow.workflow.manifest import describe_run

PATHS = [
    "data/digits/test.safetensors",
    "victims/digits/lenet/none/0/weights.safetensors",
    "victims/digits/lenet/adversarial_training/0/weights.safetensors",
    "attacks/digits/lenet/none/0/fgsm/records.parquet",
    "evaluations/digits/lenet/none/0/fgsm.parquet",
    "tables/a.csv",
    "figures/a.png",
    "datasets/digits/lenet/none/0/fgsm/0.1",
]


@pytest.fixture
def run(tmp_path):
    """A results folder with its manifest, and the manifest beside it for comparison."""
    results = tmp_path / "results"
    for path in PATHS:
        target = results / path / "0.png" if path.startswith("datasets") else results / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(path)
    manifest = describe_run(results, [{"path": path, "code": f"code of {path}"} for path in PATHS])
    for file in (results / "manifest.json", tmp_path / "manifest.json"):
        file.write_text(json.dumps(manifest))
    return results


def verify(root, run, manifest=None):
    command = [sys.executable, root / "scripts/verify.py", "--results", run, "--manifest"]
    return subprocess.run(
        [*command, manifest or run.parent / "manifest.json"], capture_output=True, text=True, check=False
    )


def test_equal_runs_are_said_to_be_equal(root, run):
    done = verify(root, run)
    assert done.returncode == 0
    assert done.stdout.startswith(f"{len(PATHS)} of {len(PATHS)} artefacts")


def test_what_differs_first_is_what_the_others_come_from(root, run):
    for path in ("figures/a.png", "attacks/digits/lenet/none/0/fgsm/records.parquet", "tables/a.csv"):
        (run / path).write_text("other")
    (run / "victims/digits/lenet/adversarial_training/0/weights.safetensors").unlink()
    done = verify(root, run)
    assert done.returncode == 1
    lines = done.stdout.splitlines()
    assert lines[1].startswith("first along the DAG: victims/digits/lenet/adversarial_training/0/weights")
    assert lines[1].endswith("is missing")
    assert [line.split()[1].split("/")[0] for line in lines[2:]] == ["attacks", "tables", "figures"]


def test_a_file_in_a_folder_counts(root, run):
    (run / "datasets/digits/lenet/none/0/fgsm/0.1/1.png").write_text("one more")
    done = verify(root, run)
    assert done.returncode == 1
    assert "datasets/digits/lenet/none/0/fgsm/0.1 has sha256" in done.stdout


def test_other_code_and_software_are_named_as_causes(root, run):
    (run / "tables/a.csv").write_text("other")
    own = json.loads((run / "manifest.json").read_text())
    own["artefacts"]["tables/a.csv"]["code"] = "newer"
    own["software"]["torch"] = "1.0"
    (run / "manifest.json").write_text(json.dumps(own))
    done = verify(root, run)
    assert "  code: newer here, code of tables/a.csv in the manifest" in done.stdout
    assert "  software: torch is 1.0 here" in done.stdout


@pytest.mark.parametrize("content", ["", "[]", '{"artefacts": 3}'])
def test_what_is_no_manifest_is_one_line(root, run, content):
    (run.parent / "manifest.json").write_text(content)
    done = verify(root, run)
    assert done.returncode == 1
    assert done.stderr.startswith(f"error: {run.parent / 'manifest.json'} is not a manifest")
    assert done.stderr.count("\n") == 1
