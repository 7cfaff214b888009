import tomllib
from importlib.metadata import distribution
from importlib.util import find_spec

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name


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
