import json
import os
import subprocess
import sys

import pytest

from foolflow.jobs.record import checksum, write_record
from foolflow.workflow.code_digest import clear_cache, code_digest
from foolflow.workflow.provenance import manifest, read_records
from foolflow.workflow.verification import Difference, made_by_other_code

PATHS = [
    "data/digits/test.safetensors",
    "victims/digits/lenet/none/0/weights.safetensors",
    "victims/digits/lenet/adversarial_training/0/weights.safetensors",
    "attacks/digits/lenet/none/0/fgsm/adversarial.safetensors",
    "judgements/defenses/digits/lenet/none/0/records.parquet",
    "datasets/digits/lenet/none/0/fgsm/0.1",
    "evaluations/digits/lenet/none/0/modified/fgsm/0.1.json",
    "tables/a.csv",
    "figures/a.png",
]


@pytest.fixture
def run(tmp_path, monkeypatch):
    """Build a results folder with the records and the manifest of its jobs, and a copy of the manifest.

    Each job runs the user's code in `mine.py` and reads the output of the previous job.
    """
    monkeypatch.chdir(tmp_path)
    (tmp_path / "mine.py").write_text("VALUE = 1\n")
    clear_cache()
    results = tmp_path / "results"
    before = tmp_path / "mine.py"
    for path in PATHS:
        target = results / path / "0.png" if path.startswith("datasets") else results / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(path)
        write_record(
            results / "provenance" / f"{path}.json",
            code=code_digest("mine.py"),
            config={"path": path},
            inputs={before: checksum(before)},
            outputs=[results / path],
        )
        before = results / path
    made = manifest(read_records(results), [PATHS[-1]])
    for file in (results / "manifest.json", tmp_path / "manifest.json"):
        file.write_text(json.dumps(made))
    yield results
    clear_cache()


@pytest.fixture
def verify(root, run):
    def verified(*options):
        command = [sys.executable, root / "scripts/verify.py", "--results", run]
        environment = os.environ | {"PYTHONPATH": str(root)}
        return subprocess.run([*command, *options], env=environment, capture_output=True, text=True, check=False)

    return verified


@pytest.fixture
def against_manifest(verify, run):
    return lambda: verify("--manifest", run.parent / "manifest.json")


def test_equal_runs_are_reported_as_equal(against_manifest):
    done = against_manifest()
    assert done.returncode == 0
    assert done.stdout.startswith(f"{len(PATHS)} of {len(PATHS)} artefacts")


def test_the_first_difference_is_the_cause_of_the_others(against_manifest, run):
    for path in (
        "figures/a.png",
        "attacks/digits/lenet/none/0/fgsm/adversarial.safetensors",
        "tables/a.csv",
        "judgements/defenses/digits/lenet/none/0/records.parquet",
    ):
        (run / path).write_text("other")
    (run / "victims/digits/lenet/adversarial_training/0/weights.safetensors").unlink()
    done = against_manifest()
    assert done.returncode == 1
    lines = done.stdout.splitlines()
    assert lines[1].startswith(
        "the first difference in the order of the workflow: victims/digits/lenet/adversarial_training/0/weights"
    )
    assert lines[1].endswith("is missing")
    assert [line.split()[0].split("/")[0] for line in lines[2:]] == ["attacks", "judgements", "tables", "figures"]


def test_files_in_folders_are_compared(against_manifest, run):
    (run / "datasets/digits/lenet/none/0/fgsm/0.1/1.png").write_text("one more")
    done = against_manifest()
    assert done.returncode == 1
    assert "datasets/digits/lenet/none/0/fgsm/0.1 has sha256" in done.stdout


def test_different_circumstances_are_named_as_causes(against_manifest, run):
    (run / "victims/digits/lenet/none/0/weights.safetensors").write_text("other")
    own = json.loads((run / "manifest.json").read_text())
    theirs = json.loads((run.parent / "manifest.json").read_text())
    job = own["jobs"]["victims/digits/lenet/none/0/weights.safetensors"]
    job |= {"code": "newer mine.py", "config": {"path": "other"}, "commit": "c2"}
    own["machines"][0]["software"]["torch"] = "1.0"
    own["machines"][0]["hardware"]["processor"] = "slow"
    (run / "manifest.json").write_text(json.dumps(own))
    lines = against_manifest().stdout.splitlines()
    expected = theirs["jobs"]["victims/digits/lenet/none/0/weights.safetensors"]
    assert f"  code: newer here, {expected['code'].split()[0]} in the manifest" in lines
    assert f"  config: {{'path': 'other'}} here, {expected['config']} in the manifest" in lines
    assert f"  commit: c2 here, {expected['commit']} in the manifest" in lines
    machine = theirs["machines"][0]
    assert f"  software: torch is 1.0 here, {machine['software']['torch']} in the manifest" in lines
    assert f"  hardware: processor is slow here, {machine['hardware']['processor']} in the manifest" in lines


def test_a_different_input_is_named_as_the_cause(against_manifest, run):
    (run / "data/digits/test.safetensors").write_text("other")
    own = json.loads((run / "manifest.json").read_text())
    external = own["jobs"]["data/digits/test.safetensors"]["external"]
    (name,) = external
    external[name] = "other"
    (run / "manifest.json").write_text(json.dumps(own))
    assert f"  input: {name} has different content here" in against_manifest().stdout.splitlines()


@pytest.mark.parametrize("content", ["", "[]", '{"artefacts": 3}', '{"artefacts": {}}'])
def test_an_invalid_manifest_gives_a_one_line_error(against_manifest, run, content):
    (run.parent / "manifest.json").write_text(content)
    done = against_manifest()
    assert done.returncode == 1
    assert done.stderr.startswith(f"error: {run.parent / 'manifest.json'} is not a manifest")
    assert done.stderr.count("\n") == 1


def test_artefacts_of_the_current_code_are_accepted(run, verify):
    assert made_by_other_code(run) == []
    done = verify("--manifest", "")
    assert (done.returncode, done.stdout) == (0, f"every artefact in {run} was produced by the current code\n")


def test_artefacts_of_other_code_are_listed_even_if_their_times_are_new(run, verify):
    then = code_digest("mine.py").split()[0]
    (run.parent / "mine.py").write_text("VALUE = 2\n")
    for path in run.rglob("*"):
        os.utime(path)
    clear_cache()
    now = code_digest("mine.py").split()[0]
    found = made_by_other_code(run)
    assert [one.path for one in found][:2] == [PATHS[0], PATHS[2]]
    assert sorted(one.path for one in found) == sorted(PATHS)
    assert {one.how for one in found} == {f"was made by code {then}; the current code is {now}"}
    done = verify()
    assert done.returncode == 1
    assert done.stdout.startswith(f"{len(PATHS)} artefacts in {run} were not produced by the current code:\n")
    assert f"  {PATHS[0]} was made by code {then}; the current code is {now}\n" in done.stdout


def test_a_comment_does_not_change_the_code(run):
    (run.parent / "mine.py").write_text("# why\nVALUE = 1\n")
    clear_cache()
    assert made_by_other_code(run) == []


def test_artefacts_that_changed_later_are_listed(run):
    (run / "tables/a.csv").write_text("edited")
    (run / "data/digits/test.safetensors").unlink()
    first, second = made_by_other_code(run)
    assert first == Difference("data/digits/test.safetensors", "is missing")
    assert second.path == "tables/a.csv"
    assert second.how.startswith("has sha256 ")


@pytest.mark.parametrize("content", [None, "def"], ids=["removed", "no_python"])
def test_unreadable_code_counts_as_other_code(run, verify, content):
    (run.parent / "mine.py").unlink()
    if content is not None:
        (run.parent / "mine.py").write_text(content)
    done = verify()
    assert (done.returncode, done.stderr) == (1, "")
    assert done.stdout.count("which cannot be read now (") == len(PATHS)


def test_artefacts_without_a_record_are_listed(run):
    """As after `snakemake --touch`, or if somebody put a file there."""
    (run / "provenance/figures/a.png.json").unlink()
    (run / "tables/put_there.csv").write_text("")
    (run / "victims/digits/lenet/none/0/checkpoint.safetensors").write_text("temporary")
    (run / "tables/.hidden.partial").write_text("temporary")
    assert made_by_other_code(run) == [
        Difference("tables/put_there.csv", "has no record of what produced it"),
        Difference("figures/a.png", "has no record of what produced it"),
    ]


def test_users_files_may_have_spaces_in_their_names(run, verify):
    """A record lists the names its digest was computed from, separated by spaces."""
    folder = run.parent / "my code"
    folder.mkdir()
    (folder / "a victim.py").write_text("VALUE = 1\n")
    path = run / f"provenance/{PATHS[0]}.json"
    record = json.loads(path.read_text())
    path.write_text(json.dumps(record | {"code": code_digest("my code/a victim.py")}))
    assert made_by_other_code(run) == []
    (folder / "a victim.py").write_text("VALUE = 2\n")
    clear_cache()
    (found,) = made_by_other_code(run)
    assert found.path == PATHS[0]


def test_another_version_of_a_library_counts_as_other_code(run):
    path = run / "provenance/tables/a.csv.json"
    record = json.loads(path.read_text())
    path.write_text(json.dumps(record | {"code": f"{record['code']} numpy==0.1"}))
    (found,) = made_by_other_code(run)
    assert found.path == "tables/a.csv"
    assert found.how.startswith("was made by code numpy==0.1; the current code is numpy==")


def test_a_job_without_a_digest_is_never_outdated(run):
    """Any code may have fetched a data set, because its files have the published checksums."""
    path = run / f"provenance/{PATHS[0]}.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"code": ""}))
    (run.parent / "mine.py").write_text("VALUE = 2\n")
    clear_cache()
    assert PATHS[0] not in [one.path for one in made_by_other_code(run)]


@pytest.mark.parametrize("exists", [False, True])
def test_a_folder_without_records_gives_a_one_line_error(root, tmp_path, exists):
    folder = tmp_path / "results"
    if exists:
        folder.mkdir()
    command = [sys.executable, root / "scripts/verify.py", "--results", folder]
    environment = os.environ | {"PYTHONPATH": str(root)}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    reason = "has no folder provenance/, so no job has run there" if exists else "is not a folder"
    assert (done.returncode, done.stderr) == (1, f"error: --results: {folder} {reason}\n")
