import subprocess
import sys
from pathlib import Path

import pytest

from foolflow.workflow.code_digest import CodeDigest

SCRIPT = '''
"""What it does."""
from foolflow.near import helper

def main():
    """Docstring."""
    return helper()  # comment
'''


@pytest.fixture
def tree(tmp_path) -> Path:
    (tmp_path / "foolflow").mkdir()
    (tmp_path / "foolflow/__init__.py").write_text("")
    (tmp_path / "foolflow/near.py").write_text("import foolflow.far\n\ndef helper():\n    return foolflow.far.VALUE\n")
    (tmp_path / "foolflow/far.py").write_text("VALUE = 1\n")
    (tmp_path / "foolflow/unused.py").write_text("VALUE = 2\n")
    (tmp_path / "script.py").write_text(SCRIPT)
    return tmp_path


def digest(tree: Path, *files: str) -> str:
    return CodeDigest(tree)("script.py", *files)


def test_reaches_what_is_imported_directly_or_not(tree):
    closure = CodeDigest(tree).closure("script.py")
    assert closure == {"script.py", "foolflow/__init__.py", "foolflow/near.py", "foolflow/far.py"}


@pytest.mark.parametrize(
    "change",
    [
        lambda text: text.replace("# comment", "# another comment"),
        lambda text: text.replace("Docstring.", "Another docstring.\n\n    Longer."),
        lambda text: text.replace('    """Docstring."""\n', ""),
        lambda text: text.replace("def main():", "def main(\n):"),
        lambda text: "\n\n" + text,
        lambda text: text.replace("What it does", "What else it does"),
    ],
)
def test_comments_docstrings_and_formatting_do_not_count(tree, change):
    before = digest(tree)
    script = tree / "script.py"
    script.write_text(change(SCRIPT))
    assert digest(tree) == before


@pytest.mark.parametrize("file", ["script.py", "foolflow/near.py", "foolflow/far.py", "foolflow/__init__.py"])
def test_code_counts_wherever_it_is(tree, file):
    before = digest(tree)
    path = tree / file
    path.write_text(path.read_text() + "\nNEW = 1\n")
    assert digest(tree) != before


def test_code_that_is_not_reached_does_not_count(tree):
    before = digest(tree)
    (tree / "foolflow/unused.py").write_text("VALUE = 3\n")
    assert digest(tree) == before
    assert digest(tree, "foolflow/unused.py") != before


def test_imports_for_type_checkers_do_not_count(tree):
    near = tree / "foolflow/near.py"
    near.write_text(
        f"from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    import foolflow.unused\n{near.read_text()}"
    )
    assert "foolflow/unused.py" not in CodeDigest(tree).closure("script.py")


def test_what_runs_without_a_type_checker_counts(tree):
    near = tree / "foolflow/near.py"
    text = near.read_text()
    near.write_text(f"from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    pass\nelse:\n    FLAG = 1\n{text}")
    before = digest(tree)
    near.write_text(near.read_text().replace("FLAG = 1", "FLAG = 2"))
    assert digest(tree) != before


def test_a_users_file_reaches_its_neighbours_and_the_packages_attributes(tree):
    (tree / "mine").mkdir()
    (tree / "mine/helper.py").write_text("VALUE = 1\n")
    (tree / "below_the_root.py").write_text("VALUE = 1\n")
    user = "import foolflow\nimport helper\nfrom below_the_root import VALUE\nx = foolflow.far.VALUE\n"
    (tree / "mine/attack.py").write_text(user)
    assert CodeDigest(tree).closure("mine/attack.py") == {
        "mine/attack.py",
        "mine/helper.py",
        "below_the_root.py",
        "foolflow/__init__.py",
        "foolflow/far.py",
    }


def test_a_changed_string_counts_though_it_stands_alone_in_no_docstring(tree):
    before = digest(tree)
    (tree / "foolflow/far.py").write_text("VALUE = 'text'\n")
    assert digest(tree) != before


PROBE = """
import sys
sys.path.insert(0, ".")
sys.argv = ["script", "--help"]
import runpy
try:
    runpy.run_path(sys.argv_script, run_name="__main__")
except SystemExit:
    pass
""".replace("sys.argv_script", "'{script}'")


@pytest.mark.parametrize("script", sorted(path.name for path in (Path(__file__).parents[1] / "scripts").glob("*.py")))
def test_every_script_loads_only_what_its_digest_covers(root, script):
    """Run each script as far as its --help: what it has imported by then is in the closure."""
    path = f"scripts/{script}"
    report = "print(*(m.__file__ for n, m in sys.modules.items() if n.partition('.')[0] == 'foolflow' and m.__file__))"
    code = PROBE.replace("{script}", path) + "\nprint()\n" + report
    done = subprocess.run([sys.executable, "-c", code], cwd=root, capture_output=True, text=True, check=True)
    loaded = {str(Path(file).relative_to(root)) for file in done.stdout.splitlines()[-1].split()}
    assert loaded
    assert loaded <= CodeDigest(root).closure(path)


@pytest.mark.parametrize("kind", ["tabulate", "draw", "export", "write"])
def test_scripts_that_draw_or_tabulate_do_not_import_torch(root, kind):
    scripts = sorted((root / "scripts").glob(f"{kind}_*.py"))
    assert scripts
    for script in scripts:
        code = PROBE.replace("{script}", str(script)) + "\nassert 'torch' not in sys.modules"
        subprocess.run([sys.executable, "-c", code], cwd=root, capture_output=True, check=True)
