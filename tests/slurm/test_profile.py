"""profiles/slurm against the rules, without a cluster."""

import re

import pytest
from snakemake.cli import parse_args

from tests.end_to_end.conftest import Project, copy_project


@pytest.fixture
def fresh(root, tmp_path) -> Project:
    return copy_project(root, tmp_path / "foolflow")


@pytest.fixture(scope="module")
def rules(root) -> dict[str, str]:
    """The text of each rule."""
    text = "\n".join(file.read_text() for file in (root / "rules").glob("*.smk"))
    return {found[1]: found[0] for found in re.finditer(r"^rule (\w+):\n(?:    .*\n|\n)*", text, flags=re.MULTILINE)}


def test_the_profile_lists_every_rule_that_wants_a_gpu(root, rules):
    profile = (root / "profiles/slurm/profile.yaml").read_text()
    listed = set(re.findall(r"^#   (\w+): [&*]gpu\b", profile, flags=re.MULTILINE))
    assert listed == {name for name, text in rules.items() if "gpu=GPUS_PER_JOB" in text}


def test_whatever_is_submitted_says_how_much_memory_and_time_it_needs(rules):
    submitted = {name: text for name, text in rules.items() if "localrule: True" not in text}
    assert len(rules) > 30
    assert 5 < len(submitted) < 20
    assert [name for name, text in submitted.items() if not ("mem_mb=" in text and "runtime=" in text)] == []


def test_the_demo_is_fewer_than_a_hundred_submissions(fresh, rules):
    done = fresh.snakemake("-n", "--profile", "profiles/slurm")
    counts = dict(re.findall(r"^(\w+) +(\d+)$", done.stdout.partition("\nReasons:")[0], flags=re.MULTILINE))
    groups = done.stdout.count("] Group job ")
    grouped_or_here = ("localrule: True", "group:")
    alone = [name for name, text in rules.items() if not any(mark in text for mark in grouped_or_here)]
    assert 50 < groups + sum(int(counts.get(name, 0)) for name in alone) < 100


def test_the_profile_adds_to_the_workflow_s_own(root, monkeypatch):
    pytest.importorskip("snakemake_executor_plugin_slurm")
    monkeypatch.chdir(root)
    for workflow in ("default", "demo"):
        _, arguments = parse_args(["--profile", "profiles/slurm", "--workflow-profile", f"profiles/{workflow}"])
        assert (arguments.executor, arguments.retries, arguments.config) == ("slurm", 2, ["device=cuda"])
        assert (arguments.scheduler, arguments.keep_going, arguments.rerun_incomplete) == ("greedy", True, True)
        assert arguments.max_checksum_file_size > 10**9


@pytest.mark.parametrize(
    ("arguments", "cap"), [((), 1), (("--resources", "gpu=3"), 3), (("--profile", "profiles/slurm"), None)]
)
def test_one_job_at_a_time_has_this_machine_s_gpu_and_as_many_as_there_are_a_cluster_s(fresh, arguments, cap):
    snakefile = fresh.folder / "Snakefile"
    snakefile.write_text(snakefile.read_text() + "\nprint('cap', workflow.global_resources.get('gpu').value)\n")
    done = fresh.snakemake("-n", *arguments, "--", "results/demo/data/digits/test.safetensors")
    assert f"cap {cap}\n" in done.stdout


def test_the_list_of_partitions_is_one_that_the_plugin_reads(root):
    partitions = pytest.importorskip("snakemake_executor_plugin_slurm.partitions")
    listed = partitions.read_partition_file(root / "profiles/slurm/partitions.yaml")
    assert [(each.name, each.limits.max_gpu) for each in listed] == [("cpu", 0), ("gpu", 4)]
    assert listed[0].limits.max_runtime == 2 * 24 * 60
