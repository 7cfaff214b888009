"""Every `snakemake` command that a document shows means what it seems to mean."""

import re
import shlex

import pytest
from snakemake.cli import get_argument_parser

CONFIG_FILE = re.compile(r".*\.(ya?ml|json)")


def commands(text):
    """The snakemake commands in a document: in code blocks, with their continued lines, and in `code`."""
    joined = re.sub(r"\\\n\s*", " ", text)
    lines = re.findall(r"^\s*(?:\$ )?(snakemake -.*|snakemake [^ ]+ -.*)$", joined, re.MULTILINE)
    return [line.partition(" #")[0] for line in lines] + re.findall(r"`(snakemake\s[^`]+)`", joined)


def misread(command):
    """The words that Snakemake takes for config files, although they are none: --configfile takes all that follow."""
    given = get_argument_parser().parse_known_args(shlex.split(command)[1:])[0]
    return [str(file) for file in given.configfile if not CONFIG_FILE.fullmatch(str(file))]


def test_no_command_passes_a_target_as_a_config_file(root):
    documents = [*root.glob("*.md"), *(root / "docs").rglob("*.md"), root / "config.yaml", *root.rglob("profiles/*/*")]
    shown = [command for file in documents if file.is_file() for command in commands(file.read_text())]
    with_config = [command for command in shown if "--configfile" in command]
    assert len(with_config) > 6
    assert [command for command in with_config if misread(command)] == []


@pytest.mark.parametrize(
    ("command", "words"),
    [
        ("snakemake --configfile mine.yaml robustness", ["robustness"]),
        ("snakemake --configfile mine.yaml other.json --cores 2", []),
        ("snakemake robustness --configfile mine.yaml", []),
        ("snakemake --configfile mine.yaml -- robustness", []),
    ],
)
def test_a_target_after_a_config_file_is_noticed(command, words):
    assert misread(command) == words
