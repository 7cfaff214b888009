import pytest
import yaml

from foolflow.workflow.grouping import MOST_PARTS, groups_of


@pytest.mark.parametrize("shards", [101, 150, 199, 200, 201, 1000, 9999, 10_000])
def test_groups_cover_all_shards_in_order_and_no_job_gathers_more_than_it_may(shards):
    groups = groups_of(shards)
    assert [shard for group in groups for shard in group] == list(range(shards))
    assert len(groups) <= MOST_PARTS
    sizes = [len(group) for group in groups]
    assert max(sizes) <= MOST_PARTS
    assert max(sizes) - min(sizes) <= 1


@pytest.mark.parametrize("shards", [1, 2, MOST_PARTS])
def test_one_job_gathers_a_few_shards(shards):
    assert groups_of(shards) == []


def test_the_config_allows_no_more_shards_than_two_levels_gather(root):
    schema = yaml.safe_load((root / "schemas/config.schema.yaml").read_text())
    most = {entry["maximum"] for entry in _values(schema, "shards") if isinstance(entry, dict) and "maximum" in entry}
    assert most == {MOST_PARTS**2}


def _values(tree, key):
    if isinstance(tree, dict):
        for name, value in tree.items():
            if name == key:
                yield value
            yield from _values(value, key)
