"""Loading the user's own code, from a file alone or in a package."""

import importlib
import sys

import pytest

from foolflow.errors import InvalidInput
from foolflow.workflow.plugins import load_object


@pytest.fixture(autouse=True)
def as_before(monkeypatch):
    """Undo what importing the user's code leaves behind."""
    monkeypatch.setattr(sys, "path", list(sys.path))
    known = set(sys.modules)
    yield
    for name in set(sys.modules) - known:
        del sys.modules[name]


def write(folder, **files):
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in files.items():
        (folder / f"{name}.py").write_text(f"{text}\n")


@pytest.mark.parametrize(
    "line", ["from .blocks import Block", "from zoo.blocks import Block", "from blocks import Block"]
)
@pytest.mark.parametrize("deep", [False, True])
def test_a_file_in_a_package_imports_its_neighbours(tmp_path, line, deep):
    folder = tmp_path / "zoo/nets" if deep else tmp_path / "zoo"
    write(tmp_path / "zoo", __init__="")
    write(folder, __init__="", net=line.replace("zoo.", "zoo.nets." if deep else "zoo."), blocks="Block = 3")
    assert load_object(f"{folder}/net.py:Block") == 3


def test_a_file_imports_from_the_package_above_it(tmp_path):
    write(tmp_path / "zoo", __init__="", blocks="Block = 3")
    write(tmp_path / "zoo/nets", __init__="from ..blocks import Block")
    assert load_object(f"{tmp_path}/zoo/nets/__init__.py:Block") == 3


@pytest.mark.parametrize("package", [{}, {"__init__": ""}], ids=["files", "packages"])
def test_files_of_one_name_in_two_folders_do_not_collide(tmp_path, package):
    line = "from zoo.blocks import Block" if package else "Block = {}"
    for number, folder in enumerate(("a", "b")):
        write(tmp_path / folder / "zoo", **package, net=line.format(number), blocks=f"Block = {number}")
    found = [load_object(f"{tmp_path}/{folder}/zoo/net.py:Block") for folder in ("a", "b", "a")]
    assert found == [0, 1, 0]


def test_a_package_with_the_name_of_an_imported_library_does_not_replace_it(tmp_path):
    write(tmp_path / "pytest", __init__="", net="from blocks_of_net import Block", blocks_of_net="Block = 3")
    assert load_object(f"{tmp_path}/pytest/net.py:Block") == 3
    assert sys.modules["pytest"] is pytest


def test_a_package_with_the_name_of_a_library_that_is_not_imported_yet_does_not_replace_it(tmp_path, monkeypatch):
    write(tmp_path / "libraries/seldom", __init__="NAME = 'library'")
    write(tmp_path / "mine/seldom", __init__="NAME = 'mine'", net="Net = 3")
    monkeypatch.syspath_prepend(tmp_path / "libraries")
    assert load_object(f"{tmp_path}/mine/seldom/net.py:Net") == 3
    assert importlib.import_module("seldom").NAME == "library"


@pytest.mark.parametrize("path", ["v1.0/net", "zoo/net.v2"])
def test_a_name_with_a_dot_can_be_imported(tmp_path, path):
    folder, name = path.split("/")
    write(tmp_path / folder, __init__="", **{name: "Net = 3"})
    assert load_object(f"{tmp_path}/{path}.py:Net") == 3


def test_a_package_that_fails_is_not_left_half_imported(tmp_path):
    write(tmp_path / "zoo", __init__="1 / 0", net="Net = 3")
    for _ in range(2):
        with pytest.raises(InvalidInput, match=r"net.py cannot be imported: ZeroDivisionError"):
            load_object(f"{tmp_path}/zoo/net.py:Net")
