"""The commands that the rules run, as parsed by a shell."""

import json
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from foolflow.jobs.command_line import add_named_inputs, job_parser, named_inputs, read_spec
from foolflow.workflow import commands
from foolflow.workflow.commands import LONGEST, as_json, as_options, as_spec, program, to_remake

PYTHON = sys.executable
AWKWARD = ["a b.csv", "it's.csv", 'say "so".csv', "$HOME.csv", "back\\slash.csv", "new\nline.csv", "*.csv", "-x;ls.csv"]


def words(command):
    """Return the words into which a shell splits a command."""
    code = "import json, sys; print(json.dumps(sys.argv[1:]))"
    done = subprocess.run(
        ["sh", "-c", f"{shlex.quote(PYTHON)} -c {shlex.quote(code)} {command}"],
        capture_output=True,
        text=True,
        check=True,
    )
    return json.loads(done.stdout)


def test_named_inputs_reach_the_program_with_any_path():
    inputs = {"judgements": [f"my results/{name}" for name in AWKWARD], "splits": "one 'split'", "tables": []}
    parser = job_parser(None)
    add_named_inputs(parser)
    arguments = parser.parse_args(words(as_options(inputs)))
    assert {name: list(map(str, paths)) for name, paths in named_inputs(arguments).items()} == {
        "judgements": inputs["judgements"],
        "splits": ["one 'split'"],
    }


def test_a_long_list_of_inputs_fits_on_a_command_line():
    inputs = {"adversarial": [f"my results/{number}/it's.safetensors" for number in range(20_000)], "tables": ["one"]}
    options = as_options(inputs)
    assert len(options) < 131_072  # what Linux allows
    parser = job_parser(None)
    add_named_inputs(parser)
    arguments = parser.parse_args(words(options))
    assert {name: list(map(str, paths)) for name, paths in named_inputs(arguments).items()} == inputs
    assert len(inputs["adversarial"]) + 1 == sum(len(paths) for paths in named_inputs(arguments).values())


def test_without_inputs_there_are_no_options():
    assert as_options({}) == ""
    assert as_options({"tables": []}) == ""


@pytest.mark.parametrize("name", ["my project", "it's", 'a "b"', "$HOME"])
def test_the_program_is_found_in_any_project_folder(tmp_path, monkeypatch, name):
    project = tmp_path / name
    monkeypatch.setattr(commands, "project_folder", lambda: project)
    monkeypatch.setattr(commands.sys, "executable", str(tmp_path / name / "bin/python"))
    assert words(program([])(None, None)) == [str(project / "bin/python"), str(project / "scripts")]


def test_a_rule_with_an_environment_runs_its_python(tmp_path, monkeypatch):
    monkeypatch.setattr(commands, "project_folder", lambda: tmp_path)
    assert words(program(["conda"])(None, None)) == ["python", str(tmp_path / "scripts")]


def test_a_json_param_does_not_depend_on_the_order_of_the_keys():
    value = {"b": [1, {"d": None, "c": 'it\'s\n"so"'}], "a": 0.1}
    assert as_json(value) == as_json(dict(reversed(value.items())))
    assert "\n" not in as_json(value)
    assert json.loads(words(shlex.quote(as_json(value)))[0]) == value


@pytest.mark.parametrize("count", [1, LONGEST])
def test_packed_and_plain_specs_are_read_back(count):
    spec = [{"name": "ε", "rows": list(range(count))}]
    text = as_spec(spec)
    assert read_spec(text) == spec
    assert (text == as_json(spec)) == (len(as_json(spec)) <= LONGEST)


HERE = Path("/my project")


@pytest.mark.parametrize(
    ("snakefile", "options", "expected"),
    [
        (HERE / "Snakefile", {}, []),
        (HERE / "robust/Snakefile", {}, ["-s", "robust/Snakefile"]),
        (Path("/the tool/Snakefile"), {}, ["-s", "/the tool/Snakefile"]),
        (
            HERE / "profiles/demo/Snakefile",
            {"profile": HERE / "profiles/demo"},
            ["--workflow-profile", "profiles/demo"],
        ),
        (
            HERE / "Snakefile",
            {"files": [Path("it's mine.yaml"), Path("b.yaml")], "replace": True},
            ["--replace-workflow-config", "--configfile", "it's mine.yaml", "b.yaml"],
        ),
        (
            HERE / "Snakefile",
            {"values": {"device": "cuda", "data_mirror": "/data", "results": "my results", "seeds": [0, 1]}},
            ["--config", "results=my results", "seeds=[0, 1]"],
        ),
    ],
)
def test_the_command_of_the_page_repeats_the_call(snakefile, options, expected):
    assert words(to_remake(snakefile, HERE, **options)) == ["snakemake", "{}", "--force", "--cores", "all", *expected]
