import tomllib
from importlib.metadata import distribution
from importlib.util import find_spec

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name


@pytest.fixture(scope="module")
def locked(root):
    """name -> version of every line of the lock that holds on this machine."""
    lines = (root / "requirements.lock").read_text().splitlines()
    requirements = [Requirement(line) for line in lines]
    here = [item for item in requirements if item.marker is None or item.marker.evaluate()]
    return {canonicalize_name(item.name): str(item.specifier).removeprefix("==") for item in here}


def test_the_lock_has_an_exact_version_of_all_that_the_project_names(root, locked):
    project = tomllib.loads((root / "pyproject.toml").read_text())["project"]
    named = [*project["dependencies"], *(name for extra in project["optional-dependencies"].values() for name in extra)]
    assert {canonicalize_name(Requirement(name).name) for name in named} <= locked.keys()
    assert all(version and version[0].isdigit() for version in locked.values())


def test_what_is_locked_is_closed_under_what_it_needs(locked):
    """The environment is installed with --no-deps: nothing may be missing from the list."""
    missing = {}
    for name in locked:
        for line in distribution(name).requires or []:
            needed = Requirement(line)
            wanted = needed.marker is None or needed.marker.evaluate({"extra": ""})
            if wanted and canonicalize_name(needed.name) not in locked:
                missing.setdefault(name, []).append(needed.name)
    assert missing == {}


def test_what_is_installed_beside_the_lock_has_exact_versions_and_all_it_imports(root, locked):
    """What these ask for does not install; `make` puts them beside the lock, without."""
    requirements = [Requirement(line) for line in (root / "requirements-peers.lock").read_text().splitlines()]
    not_imported = {"visdom", "requests"}
    for requirement in requirements:
        assert str(requirement.specifier).startswith("==")
        assert requirement.name not in locked
        needed = [Requirement(line) for line in distribution(requirement.name).requires or []]
        named = {canonicalize_name(item.name) for item in needed if not (item.marker and "extra" in str(item.marker))}
        assert named - not_imported <= locked.keys()


def test_the_browser_test_is_not_skipped_for_want_of_a_package():
    assert find_spec("selenium") is not None
