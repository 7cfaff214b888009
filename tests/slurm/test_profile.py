"""Check profiles/slurm against the rules, without a cluster."""

import re

import pytest
from snakemake.cli import parse_args

from tests.end_to_end.conftest import Project, copy_project


@pytest.fixture
def fresh(root, tmp_path) -> Project:
    return copy_project(root, tmp_path / "foolflow")


@pytest.fixture(scope="module")
def rules(root) -> dict[str, str]:
    """Return the text of each rule, with that of its template, except `localrule`, which Snakemake does not inherit."""
    text = "\n".join(file.read_text() for file in (root / "rules").glob("*.smk"))
    block = r":\n(?:    .*\n|\n)*"
    own = {found[1]: found[0] for found in re.finditer(rf"^rule (\w+){block}", text, flags=re.MULTILINE)}
    used = re.finditer(rf"^use rule (\w+) as (\w+) with{block}", text, flags=re.MULTILINE)
    return own | {found[2]: own[found[1]].replace("localrule: True", "") + found[0] for found in used}


def is_submitted(rule: str) -> bool:
    """Whether the jobs of the rule go to the cluster. A rule without a command runs nothing."""
    return "    shell:" in rule and "localrule: True" not in rule


def test_the_profile_lists_every_rule_that_uses_a_gpu(root, rules):
    profile = (root / "profiles/slurm/profile.yaml").read_text()
    listed = set(re.findall(r"^#   (\w+): [&*]gpu\b", profile, flags=re.MULTILINE))
    assert listed == {name for name, text in rules.items() if "gpu=GPUS_PER_JOB" in text}


def test_every_submitted_rule_declares_memory_and_time(rules):
    submitted = {name: text for name, text in rules.items() if is_submitted(text)}
    assert len(rules) > 30
    assert 5 < len(submitted) < 20
    assert not [name for name in submitted if name.startswith(("tabulate_", "draw_"))]
    assert [name for name, text in submitted.items() if not ("mem_mb=" in text and "runtime=" in text)] == []


def test_the_demo_has_as_many_submissions_as_documented(root, fresh, rules):
    done = fresh.snakemake("-n", "--profile", "profiles/slurm")
    counts = dict(re.findall(r"^(\w+) +(\d+)$", done.stdout.partition("\nReasons:")[0], flags=re.MULTILINE))
    groups = done.stdout.count("] Group job ")
    alone = [name for name, text in rules.items() if is_submitted(text) and "    group:" not in text]
    submissions = groups + sum(int(counts.get(name, 0)) for name in alone)
    assert submissions > 50
    expected = f"The demo has {counts['total']} jobs and {submissions} submissions"
    assert expected in (root / "docs/cluster.md").read_text()


def test_the_profile_is_combined_with_the_workflow_profile(root, monkeypatch):
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
def test_locally_one_job_at_a_time_uses_the_gpu_and_on_a_cluster_there_is_no_limit(fresh, arguments, cap):
    snakefile = fresh.folder / "Snakefile"
    snakefile.write_text(snakefile.read_text() + "\nprint('cap', workflow.global_resources.get('gpu').value)\n")
    done = fresh.snakemake("-n", *arguments, "--", "results/demo/data/digits/test.safetensors")
    assert f"cap {cap}\n" in done.stdout


def test_the_plugin_can_read_the_list_of_partitions(root):
    partitions = pytest.importorskip("snakemake_executor_plugin_slurm.partitions")
    listed = partitions.read_partition_file(root / "profiles/slurm/partitions.yaml")
    assert [(each.name, each.limits.max_gpu) for each in listed] == [("cpu", 0), ("gpu", 4)]
    assert listed[0].limits.max_runtime == 2 * 24 * 60
