"""The checks outside `make`: hooks of pre-commit, GitHub Actions, and the description for the workflow catalog."""

import re
import shlex

import yaml


def load(path):
    return yaml.safe_load(path.read_text())


def lint_commands(root):
    """The commands of the Makefile's target `lint`, as one types them in an activated environment."""
    makefile = (root / "Makefile").read_text()
    recipe = re.search(r"^lint:.*\n((?:\t.*\n)+)", makefile, re.MULTILINE)
    commands = [command for line in recipe[1].splitlines() for command in line.split("&&")]
    words = [[word for word in shlex.split(command) if not word.startswith("PATH=")] for command in commands]
    return [" ".join(command).removeprefix("$(BIN)/") for command in words]


def test_pre_commit_runs_the_commands_of_make_lint(root):
    (local,) = load(root / ".pre-commit-config.yaml")["repos"]
    assert [hook["entry"] for hook in local["hooks"]] == lint_commands(root)
    for hook in local["hooks"]:
        assert hook["language"] == "system"
        assert not hook["pass_filenames"], "the commands name their own files"


def test_github_runs_the_gate_on_the_oldest_supported_python(root):
    job = load(root / ".github/workflows/ci.yaml")["jobs"]["test"]
    commands = [step["run"] for step in job["steps"] if "run" in step]
    assert commands[-1] == "bash .ci/run"
    oldest = re.search(r'requires-python = ">=([\d.]+)"', (root / "pyproject.toml").read_text())[1]
    assert job["container"].startswith(f"python:{oldest}-")


def test_the_gate_lints_and_tests(root):
    assert (root / ".ci/run").read_text().rstrip().endswith("make lint\nmake test")


def test_actions_are_pinned_by_major_version(root):
    steps = load(root / ".github/workflows/ci.yaml")["jobs"]["test"]["steps"]
    assert all(re.search(r"@v\d+$", step["uses"]) for step in steps if "uses" in step)


def test_the_catalog_lists_the_deployment_that_the_rules_support(root):
    usage = load(root / ".snakemake-workflow-catalog.yml")["usage"]
    assert set(usage) == {"mandatory-flags", "software-stack-deployment"}
    deployment = usage["software-stack-deployment"]
    rules = "".join(path.read_text() for path in (root / "rules").glob("*.smk"))
    assert deployment["conda"] == ("conda:" in rules)
    assert deployment["apptainer"] == ("container:" in rules)
    assert deployment["report"] == ("report(" in rules)
