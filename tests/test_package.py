"""The package as users get it: its public names, its version, and the wheel with the workflow in it."""

import ast
import os
import re
import rlcompleter
import subprocess
import sys
import tarfile
import tomllib
import venv
from pathlib import Path
from zipfile import ZipFile

import pytest
import yaml

import foolflow

WORKFLOW_FOLDERS = ("envs", "profiles", "reference", "report", "rules", "schemas", "scripts")
WORKFLOW_FILES = ("Snakefile", "config.yaml")


def run(*command, **options):
    """The standard output of a command that must succeed."""
    done = subprocess.run([str(word) for word in command], capture_output=True, text=True, check=False, **options)
    assert done.returncode == 0, f"{' '.join(map(str, command))}\n{done.stdout}\n{done.stderr}"
    return done.stdout.strip()


def files_below(folder):
    """The files of a source folder, relative to its parent, without what Python and editors leave there."""
    return {
        path.relative_to(folder.parent).as_posix()
        for path in folder.rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }


@pytest.fixture(scope="module")
def version(root):
    return tomllib.loads((root / "pyproject.toml").read_text())["project"]["version"]


@pytest.fixture(scope="module")
def attacks(root):
    """The modules of `foolflow.attacks` that are attacks, according to their syntax trees."""
    found = []
    for path in sorted((root / "foolflow/attacks").glob("*.py")):
        functions = [node for node in ast.parse(path.read_text()).body if isinstance(node, ast.FunctionDef)]
        arguments = [function.args.args for function in functions if function.name == path.stem]
        if arguments and arguments[0] and arguments[0][0].arg == "model":
            found.append(path.stem)
    return found


# Public names


def test_names_and_version_need_no_other_package(root, attacks, version):
    """`-S` hides every installed package, this one too: a clone that is not installed."""
    code = f"""
import sys
sys.path.insert(0, {str(root)!r})
import foolflow
print(dir(foolflow), dir(foolflow.attacks), foolflow.__version__, sep="\\n")
"""
    names, listed, printed = run(sys.executable, "-I", "-S", "-c", code).splitlines()
    assert ast.literal_eval(names) == sorted([*foolflow.__all__, "__version__"])
    assert ast.literal_eval(listed) == attacks
    assert printed == version


def test_listing_the_attacks_does_not_import_torch(root):
    code = "import sys, foolflow; dir(foolflow.attacks); print('torch' in sys.modules)"
    assert run(sys.executable, "-c", code, cwd=root) == "False"


def test_a_new_attack_is_listed_for_type_checkers_too(root, attacks):
    """A type checker reads names from the source, so `foolflow/attacks/__init__.py` has a line for each attack."""
    tree = ast.parse((root / "foolflow/attacks/__init__.py").read_text())
    (block,) = (node for node in tree.body if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING")
    imported = [ast.unparse(node) for node in block.body]
    assert imported == [f"from foolflow.attacks.{name} import {name} as {name}" for name in attacks]


def test_every_listed_name_exists():
    for name in dir(foolflow):
        assert getattr(foolflow, name) is not None
    for name in dir(foolflow.attacks):
        assert getattr(foolflow.attacks, name).__name__ == name


def test_star_import_and_completion(attacks):
    names = {}
    exec("from foolflow.attacks import *", names)
    assert sorted(names.keys() - {"__builtins__"}) == attacks
    assert all(callable(names[name]) for name in attacks)
    completer = rlcompleter.Completer({"foolflow": foolflow})
    assert completer.complete("foolflow.attacks.fg", 0).startswith("foolflow.attacks.fgsm")


def test_a_name_that_does_not_exist_is_an_attribute_error():
    with pytest.raises(AttributeError, match="no_such_name"):
        foolflow.no_such_name  # noqa: B018
    with pytest.raises(AttributeError, match="no_such_attack"):
        foolflow.attacks.no_such_attack  # noqa: B018


def test_the_citation_has_this_version(root, version):
    citation = yaml.safe_load((root / "CITATION.cff").read_text())
    assert {"cff-version", "message", "title", "authors", "abstract", "keywords"} <= citation.keys()
    assert citation["cff-version"] == "1.2.0"
    assert citation["type"] == "software"
    assert citation["license"] == "MIT"
    assert str(citation["version"]) == version


# The wheel


@pytest.fixture(scope="module")
def wheel(root, tmp_path_factory):
    folder = tmp_path_factory.mktemp("wheel")
    offline = ("--quiet", "--no-deps", "--no-build-isolation", "--no-index", "--disable-pip-version-check")
    run(sys.executable, "-m", "pip", "wheel", *offline, "--wheel-dir", folder, root)
    (built,) = folder.glob("*.whl")
    return built


@pytest.fixture(scope="module")
def sdist(root, tmp_path_factory):
    folder = tmp_path_factory.mktemp("sdist")
    run(sys.executable, "-m", "hatchling", "build", "--target", "sdist", "--directory", folder, cwd=root)
    (built,) = folder.glob("*.tar.gz")
    return built


def test_the_wheel_contains_exactly_the_package_and_the_workflow(root, wheel, version):
    expected = files_below(root / "foolflow")
    expected |= {f"foolflow/project/{name}" for name in WORKFLOW_FILES}
    expected |= {f"foolflow/project/{file}" for name in WORKFLOW_FOLDERS for file in files_below(root / name)}
    found = set(ZipFile(wheel).namelist())
    assert {name for name in found if not name.startswith(f"foolflow-{version}.dist-info/")} == expected
    assert "foolflow/py.typed" in expected
    assert any(name.startswith("foolflow/pages/") and name.endswith(".html") for name in expected)


def test_every_folder_that_the_project_reads_is_in_the_wheel(root):
    """A new folder has to be added to pyproject.toml: in a clone it is found without that."""
    sources = [root / "Snakefile", *(root / "rules").rglob("*.smk")]
    sources += [path for folder in ("foolflow", "scripts") for path in (root / folder).rglob("*.py")]
    read = re.compile(r"(?:project_folder\(\)|\bPROJECT) / f?[\"']([A-Za-z_.]+)")
    named = {name for path in sources for name in read.findall(path.read_text())}
    assert {"schemas", "scripts", "config.yaml"} <= named
    assert named <= {*WORKFLOW_FOLDERS, *WORKFLOW_FILES, "foolflow"}
    shipped = tomllib.loads((root / "pyproject.toml").read_text())["tool"]["hatch"]["build"]["targets"]
    assert shipped["wheel"]["force-include"].keys() == {*WORKFLOW_FOLDERS, *WORKFLOW_FILES}
    assert {*WORKFLOW_FOLDERS, *WORKFLOW_FILES, "foolflow"} <= set(shipped["sdist"]["only-include"])


def test_the_sdist_builds_the_same_wheel(wheel, sdist, tmp_path):
    with tarfile.open(sdist) as archive:
        archive.extractall(tmp_path, filter="data")
    (source,) = tmp_path.iterdir()
    assert not {"tests", "bench", "results", "docs"} & {path.name for path in source.iterdir()}
    run(sys.executable, "-m", "hatchling", "build", "--target", "wheel", "--directory", tmp_path / "built", cwd=source)
    (built,) = (tmp_path / "built").glob("*.whl")
    assert built.read_bytes() == wheel.read_bytes()


@pytest.fixture(scope="module")
def installed(wheel, tmp_path_factory):
    """A function that runs Python in a new environment, from an empty folder.

    The environment has this wheel, and after it the packages of the environment that runs the tests. An editable
    installation there has no effect: Python reads .pth files only in the new environment's own folder.
    """
    folder = tmp_path_factory.mktemp("environment")
    venv.create(folder, with_pip=False, symlinks=True)
    python = folder / "bin/python"
    offline = ("--quiet", "--no-deps", "--no-index", "--disable-pip-version-check")
    run(sys.executable, "-m", "pip", "--python", python, "install", *offline, wheel)
    (own,) = folder.glob("lib/python*/site-packages")
    others = [path for path in sys.path if Path(path).name in ("site-packages", "dist-packages")]
    (own / "others.pth").write_text("".join(f"{path}\n" for path in others))
    empty = tmp_path_factory.mktemp("empty")
    inherited = {key: value for key, value in os.environ.items() if not re.match("PYTHON|FOOLFLOW|SNAKEMAKE", key)}
    return lambda *arguments: run(python, *arguments, cwd=empty, env=inherited)


@pytest.fixture(scope="module")
def project(installed):
    return Path(installed("-c", "from foolflow.workflow.project import project_folder; print(project_folder())"))


def test_the_installed_package_is_the_wheel_of_this_version(installed, project, attacks, version):
    code = "import foolflow; print(foolflow.__file__, foolflow.__version__, dir(foolflow.attacks), sep='\\n')"
    file, printed, listed = installed("-c", code).splitlines()
    assert Path(file).parent / "project" == project
    assert "site-packages" in file
    assert file != foolflow.__file__
    assert printed == version
    assert ast.literal_eval(listed) == attacks


def test_the_command_foolflow_is_installed(installed):
    code = """
import pathlib, subprocess, sys
command = pathlib.Path(sys.executable).with_name("foolflow")
print(subprocess.run([command, "--help"], capture_output=True, text=True, check=True).stdout)
"""
    assert "usage: foolflow" in installed("-c", code)


def test_the_installed_workflow_runs_in_an_empty_folder(installed, project):
    profile = project / "profiles/demo"
    target = "results/demo/tables/fgsm_sweep.md"
    alone = ("--config", "studies={fgsm_sweep: {comparisons: []}}")  # one network and two attacks are enough
    call = ("-s", profile / "Snakefile", "--workflow-profile", profile, "--cores", 1)
    installed("-m", "snakemake", target, *call, *alone)
    assert installed("-c", f"import os; print(os.path.getsize('{target}') > 0)") == "True"
