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


def test_peers_are_pinned_and_their_imports_are_in_the_lock(root, locked):
    """Some dependencies that these packages declare do not install or are not used, so `make` leaves them out."""
    requirements = [Requirement(line) for line in (root / "requirements-peers.lock").read_text().splitlines()]
    not_imported = {"visdom", "requests", "playwright"}  # of axe-playwright-python, only the file axe.min.js is used
    for requirement in requirements:
        assert str(requirement.specifier).startswith("==")
        assert requirement.name not in locked
        needed = [Requirement(line) for line in distribution(requirement.name).requires or []]
        named = {canonicalize_name(item.name) for item in needed if not (item.marker and "extra" in str(item.marker))}
        assert named - not_imported <= locked.keys()


# What `import foolflow` and its attacks, models, statistics and figures consist of: the library without the workflow.
LIBRARY = ("attacks", "compute", "data", "defenses", "figures", "models", "statistics", "training")
WORKFLOW = ("jobs", "pages", "studies", "tables", "workflow")


def test_the_core_dependencies_are_what_the_library_imports(root):
    """A module that the library always imports is in `dependencies`; nothing there is without use."""
    project = tomllib.loads((root / "pyproject.toml").read_text())["project"]
    core = {canonicalize_name(Requirement(line).name) for line in project["dependencies"]}
    files = [path for package in LIBRARY for path in (root / "foolflow" / package).rglob("*.py")]
    assert as_distributions(imported_by(*files, top=True)) <= core
    assert core <= as_distributions(imported_by(*files))


def test_the_extra_workflow_has_what_the_workflow_imports_in_addition(root):
    project = tomllib.loads((root / "pyproject.toml").read_text())["project"]
    core = {canonicalize_name(Requirement(line).name) for line in project["dependencies"]}
    extra = {canonicalize_name(Requirement(line).name) for line in project["optional-dependencies"]["workflow"]}
    assert not extra & core
    files = [path for package in WORKFLOW for path in (root / "foolflow" / package).rglob("*.py")]
    imported = as_distributions(imported_by(*files, *(root / "scripts").glob("*.py"), top=True))
    assert imported - core <= extra
    # pandas needs these for Parquet and for tables; it imports them by name.
    assert extra - imported <= {"jinja2", "pyarrow", "tabulate"}


def as_distributions(modules):
    known = packages_distributions()
    return {canonicalize_name(known[module][0]) for module in modules}


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


# What the programs load by name. A peer library says itself how to install it.
BY_NAME = {
    "attack": ("attacks", "models", "defenses"),
    "draw": ("figures",),
    "judge": ("models", "defenses"),
    "measure_images": ("models", "defenses"),
    "score_detector": ("models", "defenses"),
    "split": ("data/readers",),
    "squeeze_examples": ("models", "defenses"),
    "tabulate": ("tables",),
    "train": ("models", "defenses"),
}


def test_a_conda_environment_has_the_imports_of_its_programs(root, environments):
    distributions = packages_distributions()
    provided = {name: with_what_they_need(packages) for name, packages in environments.items()}
    plumbing = imported_by(*(root / "foolflow/jobs").glob("*.py"))  # in every job
    pairs = programs_and_environments(root)
    programs = {path.stem for path in (root / "scripts").glob("[a-z]*.py")}
    assert {program for program, _ in pairs} == programs - {"verify"}  # which no rule runs
    for program, environment in sorted(pairs):
        named = [path for package in BY_NAME.get(program, ()) for path in (root / "foolflow" / package).glob("*.py")]
        loaded = {".".join(path.relative_to(root).with_suffix("").parts) for path in named if path.stem != "__init__"}
        modules = [root / f"{name.replace('.', '/')}.py" for name in closure(f"scripts.{program}", *loaded)]
        needed = plumbing | imported_by(*(file for file in modules if file.is_file()))
        missing = {name for name in needed if canonicalize_name(distributions[name][0]) not in provided[environment]}
        assert not missing, f"scripts/{program}.py needs {missing} in envs/{environment}.yaml"


def programs_and_environments(root):
    """Pairs of names: each program, and the conda environment of a rule that runs it."""
    found = set()
    for file in (root / "rules").glob("*.smk"):
        for rule in re.split(r"^(?=\w*rule |checkpoint |use rule )", file.read_text(), flags=re.MULTILINE):
            programs = re.findall(r"\{params\.program\} (\w+)", rule)
            found |= {(program, name) for name in re.findall(r"\benvs/(\w+)\.yaml", rule) for program in programs}
    return found


def imported_by(*files, top=False):
    """The top-level names of other projects' packages that these files import. top: not within functions or blocks."""
    names = set()
    for file in files:
        tree = ast.parse(file.read_text())
        for node in tree.body if top else ast.walk(tree):
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
