"""The manifest, collected from the records of the jobs."""

import json

import pytest

from foolflow.errors import InvalidInput
from foolflow.workflow.provenance import manifest, producers, read_records, with_dependencies

MACHINE = {"software": {"torch": "2.0"}, "hardware": {"processor": "fast"}}
OTHER_MACHINE = {"software": {"torch": "2.1"}, "hardware": {"processor": "fast"}}


def record(outputs, inputs, machine=MACHINE, external=None):
    about = {"code": "0123 scripts.train", "config": {"a": 1}, "commit": "abc"}
    return about | machine | {"inputs": inputs, "external": external or {}, "outputs": outputs}


@pytest.fixture
def records():
    """Return the records of two data sets, a victim, an attack, a table, and jobs of an earlier config."""
    return {
        "data/digits": record({"data/test": "t1", "data/train": "t2"}, {}, external={"/home/mine.npz": "m1"}),
        "data/unused": record({"data/unused": "u1"}, {}),
        "victims/lenet": record({"victims/weights": "w1", "victims/history": None}, {"data/train": "t2"}),
        "attacks/fgsm": record({"attacks/set": "s1"}, {"data/test": "t1", "victims/weights": "w1"}, OTHER_MACHINE),
        "attacks/dropped": record({"attacks/dropped": "d1"}, {"victims/weights": "w1"}),
        "tables/study": record({"tables/a.csv": "a1"}, {"attacks/set": "s1", "victims/history": "h1"}),
        "tables/dropped": record({"tables/b.csv": "b1"}, {"attacks/dropped": "d1"}),
    }


def test_dependencies_are_followed_back_to_the_data(records):
    everything = ["attacks/fgsm", "data/digits", "tables/study", "victims/lenet"]
    assert with_dependencies(records, ["tables/study"]) == everything
    assert with_dependencies(records, ["victims/lenet"]) == ["data/digits", "victims/lenet"]
    assert with_dependencies(records, []) == []


def test_each_artefact_has_one_producer(records):
    made_by = producers(records)
    assert made_by["victims/history"] == "victims/lenet"
    assert len(made_by) == 9


def test_a_manifest_contains_the_dependencies_and_no_stale_records(records):
    made = manifest(records, ["tables/study"])
    assert made["artefacts"] == {
        "attacks/set": {"sha256": "s1", "job": "attacks/fgsm"},
        "data/test": {"sha256": "t1", "job": "data/digits"},
        "data/train": {"sha256": "t2", "job": "data/digits"},
        "tables/a.csv": {"sha256": "a1", "job": "tables/study"},
        "victims/weights": {"sha256": "w1", "job": "victims/lenet"},
    }
    assert set(made["jobs"]) == {"attacks/fgsm", "data/digits", "tables/study", "victims/lenet"}
    assert "dropped" not in json.dumps(made)


def test_a_manifest_has_checksums_of_inputs_from_elsewhere(records):
    jobs = manifest(records, ["tables/study"])["jobs"]
    assert jobs["data/digits"]["external"] == {"/home/mine.npz": "m1"}
    assert (jobs["attacks/fgsm"]["external"], jobs["attacks/fgsm"]["inputs"]) == ({}, ["data/test", "victims/weights"])


def test_a_missing_record_is_an_error(records):
    """A manifest without it would not describe everything that led to the table."""
    with pytest.raises(InvalidInput, match=r"^provenance/tables/b\.json is missing; run the job again"):
        manifest(records, ["tables/b"])
    del records["victims/lenet"]
    with pytest.raises(InvalidInput, match=r"has no record of what produced it; remove it and run again$"):
        manifest(records, ["tables/study"])


def test_a_manifest_says_which_job_ran_where(records):
    made = manifest(records, ["tables/study"])
    machines = {name: made["machines"][job["machine"]] for name, job in made["jobs"].items()}
    assert machines == dict.fromkeys(machines, MACHINE) | {"attacks/fgsm": OTHER_MACHINE}
    assert len(made["machines"]) == 2
    for job in made["jobs"].values():
        assert (job["code"], job["config"], job["commit"]) == ("0123 scripts.train", {"a": 1}, "abc")


def test_timings_do_not_change_the_manifest(records):
    """Neither artefacts that vary nor the times of the files count."""
    before = json.dumps(manifest(records, ["tables/study"]))
    assert "victims/history" not in json.loads(before)["artefacts"]
    records["tables/study"]["inputs"]["victims/history"] = "h2"
    assert json.dumps(manifest(records, ["tables/study"])) == before
    again = manifest(dict(reversed(records.items())), ["tables/study"])
    assert json.dumps(again, sort_keys=True) == json.dumps(json.loads(before), sort_keys=True)


def test_records_are_named_after_their_jobs(tmp_path, records):
    for name in ("data/digits", "attacks/digits/stadv-tau-0.05"):
        path = tmp_path / "provenance" / f"{name}.json"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(records["data/digits"]))
    assert read_records(tmp_path) == dict.fromkeys(
        ["attacks/digits/stadv-tau-0.05", "data/digits"], records["data/digits"]
    )
    assert read_records(tmp_path / "elsewhere") == {}


@pytest.mark.parametrize(
    "content", ["", "{", "[]", "3", "{}", '{"inputs": {}}', '{"inputs": [], "external": {}, "outputs": {}}', "\xff"]
)
def test_a_damaged_record_gives_a_one_line_error(tmp_path, content):
    path = tmp_path / "provenance/victims/lenet.json"
    path.parent.mkdir(parents=True)
    path.write_bytes(content.encode("latin-1"))
    with pytest.raises(InvalidInput) as caught:
        read_records(tmp_path)
    assert str(caught.value).startswith(f"{path} is not a job's record (")
    assert str(caught.value).endswith("); run the job again")
    assert "\n" not in str(caught.value)
