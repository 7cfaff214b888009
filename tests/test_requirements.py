import ast
import re
import sys
import tomllib
from importlib.metadata import distribution, packages_distributions
from importlib.util import find_spec

import pytest
import yaml
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from foolflow.workflow.code_digest import closure


@pytest.fixture(scope="module")
def locked(root):
    """name -> version, for every line of the lock file that applies to this machine."""
    lines = (root / "requirements.lock").read_text().splitlines()
    requirements = [Requirement(line) for line in lines]
    here = [item for item in requirements if item.marker is None or item.marker.evaluate()]
    return {canonicalize_name(item.name): str(item.specifier).removeprefix("==") for item in here}


def test_the_lock_pins_every_dependency_of_the_project(root, locked):
    project = tomllib.loads((root / "pyproject.toml").read_text())["project"]
    named = [*project["dependencies"], *(name for extra in project["optional-dependencies"].values() for name in extra)]
    named += tomllib.loads((root / "pyproject.toml").read_text())["build-system"]["requires"]
    assert {canonicalize_name(Requirement(name).name) for name in named} <= locked.keys()
    assert all(version and version[0].isdigit() for version in locked.values())


def test_the_lock_contains_the_dependencies_of_every_locked_package(locked):
    """The environment is installed with --no-deps, so the lock file must be complete."""
    missing = {}
    for name in locked:
        for line in distribution(name).requires or []:
            needed = Requirement(line)
            wanted = needed.marker is None or needed.marker.evaluate({"extra": ""})
            if wanted and canonicalize_name(needed.name) not in locked:
                missing.setdefault(name, []).append(needed.name)
    assert missing == {}


def test_peers_are_pinned_and_find_all_they_import_in_the_lock(root, locked):
    """Some dependencies that the peers declare do not install, so `make` installs the peers without dependencies."""
    requirements = [Requirement(line) for line in (root / "requirements-peers.lock").read_text().splitlines()]
    not_imported = {"visdom", "requests"}
    for requirement in requirements:
        assert str(requirement.specifier).startswith("==")
        assert requirement.name not in locked
        needed = [Requirement(line) for line in distribution(requirement.name).requires or []]
        named = {canonicalize_name(item.name) for item in needed if not (item.marker and "extra" in str(item.marker))}
        assert named - not_imported <= locked.keys()


def test_selenium_is_installed_so_that_browser_tests_run():
    assert find_spec("selenium") is not None


@pytest.fixture(scope="module")
def environments(root):
    """name of a conda environment -> its pinned packages, name -> version."""
    found = {}
    for path in (root / "envs").glob("*.yaml"):
        listed = yaml.safe_load(path.read_text())["dependencies"]
        nested = [line for item in listed if isinstance(item, dict) for line in item["pip"]]
        pinned = [re.split("==?", line) for line in listed + nested if isinstance(line, str) and "=" in line]
        found[path.stem] = {canonicalize_name(name): version for name, version in pinned if name != "python"}
    return found


def test_a_conda_environment_has_the_locked_versions(environments, locked):
    for name, packages in environments.items():
        assert packages == {package: locked.get(package) for package in packages}, name


def test_a_conda_environment_has_what_the_scripts_of_its_rules_import(root, environments):
    distributions = packages_distributions()
    provided = {name: with_what_they_need(packages) for name, packages in environments.items()}
    plumbing = imported_by(*(root / "foolflow/jobs").glob("*.py"))  # in every job
    pairs = scripts_and_environments(root)
    assert pairs
    for script, environment in sorted(pairs):
        modules = [root / f"{name.replace('.', '/')}.py" for name in closure(f"scripts.{script}")]
        needed = plumbing | imported_by(*(file for file in modules if file.is_file()))
        missing = {name for name in needed if canonicalize_name(distributions[name][0]) not in provided[environment]}
        assert not missing, f"scripts/{script}.py needs {missing} in envs/{environment}.yaml"


def scripts_and_environments(root):
    """Pairs of names: each script, and the conda environment of a rule that runs it."""
    found = set()
    for file in (root / "rules").glob("*.smk"):
        for rule in re.split(r"^(?=\w*rule |checkpoint |use rule )", file.read_text(), flags=re.MULTILINE):
            scripts = re.findall(r"{params\.program} (\w+)", rule)
            found |= {(script, name) for name in re.findall(r"\benvs/(\w+)\.yaml", rule) for script in scripts}
    return found


def imported_by(*files):
    """The top-level names of other projects' packages that these files import."""
    names = set()
    for file in files:
        for node in ast.walk(ast.parse(file.read_text())):
            if isinstance(node, ast.Import):
                names |= {alias.name.partition(".")[0] for alias in node.names}
            elif isinstance(node, ast.ImportFrom) and node.module:
                names.add(node.module.partition(".")[0])
    return names - sys.stdlib_module_names - {"foolflow", "scripts"}


def with_what_they_need(packages):
    """These packages and those that are installed with them."""
    found, pending = set(), set(packages)
    while pending:
        name = canonicalize_name(pending.pop())
        if name in found:
            continue
        found.add(name)
        needed = [Requirement(line) for line in distribution(name).requires or []]
        pending |= {item.name for item in needed if item.marker is None or item.marker.evaluate({"extra": ""})}
    return found
