"""The victim's output i is the data set's class i, whatever the order of the network's outputs."""

import pytest

from foolflow.errors import InvalidInput
from foolflow.models.class_order import class_order, read_classes

MATCHED = {
    # name: (classes of the data set, of the network, number of outputs, order, names)
    "the same order": (["a", "b"], ["a", "b"], 2, (0, 1), ("a", "b")),
    "another order": (["cat", "dog", "fox"], ["fox", "cat", "dog"], 3, (1, 2, 0), ("cat", "dog", "fox")),
    "more outputs": (["cat", "fox"], ["fox", "owl", "cat", "elk"], 4, (2, 0, 1, 3), ("cat", "fox", "owl", "elk")),
    "upper case and separators": (["red_fox", "OWL"], ["owl", "Red Fox"], 2, (1, 0), ("red_fox", "OWL")),
    "hyphens": (["red-fox", "owl"], ["owl", "red_fox"], 2, (1, 0), ("red-fox", "owl")),
    "composed and decomposed accents": (["e\u0301lan", "\u00f6l"], ["o\u0308l", "\u00e9lan"], 2, (1, 0), None),
    "exact before loose": (["Cat", "cat"], ["cat", "Cat"], 2, (1, 0), ("Cat", "cat")),
    "numbered folders": (["001.owl", "002.fox"], ["fox", "owl"], 2, (1, 0), ("001.owl", "002.fox")),
    "numbered names": (["owl", "fox"], ["003_fox", "7 owl"], 2, (1, 0), ("owl", "fox")),
    "no names": (["a", "b"], None, 2, (0, 1), ("a", "b")),
    "labels": (["0", "1"], ["zero", "one", "two"], 3, (0, 1, 2), ("zero", "one", "two")),
    "labels without names": (["0", "1"], None, 3, (0, 1, 2), ("0", "1", "2")),
    "labels that are names": (["0", "1"], ["1", "0"], 2, (1, 0), ("0", "1")),
    "numbers by name": (["0", "1", "10", "2"], ["0", "1", "2", "10"], 4, (0, 1, 3, 2), ("0", "1", "10", "2")),
    "numbers in both orders": (["003", "04", "12"], None, 3, (0, 1, 2), ("003", "04", "12")),
    "ambiguous but not used": (["owl", "fox"], ["crane", "fox", "crane", "owl"], 4, (3, 1, 0, 2), None),
}


@pytest.mark.parametrize(("own", "classes", "outputs", "order", "names"), MATCHED.values(), ids=MATCHED)
def test_classes_are_matched(own, classes, outputs, order, names):
    found = class_order(own, classes, outputs)
    assert found.outputs == order
    assert names is None or found.names == names
    assert found.is_identity == (order == tuple(range(outputs)))
    assert sorted(found.outputs) == list(range(outputs))


REJECTED = {
    "another number of names": (["a"], ["a", "b"], 3, "classes: 2 names for a network with 3 outputs"),
    "more classes than outputs": (["a", "b", "c"], None, 2, "the data set has 3 classes and the network 2 outputs"),
    "labels from 1": (["0", "1", "2"], None, 2, "the network 2 outputs, 0 to 1; if its labels begin at 1, subtract 1"),
    "fewer classes without names": (["a", "b"], None, 3, "give classes: the names of the network's outputs"),
    "numbers as text": (["0", "1", "10", "2"], None, 4, "numbers in the order of text (0, 1, 10, 2, ...)"),
    "a missing name": (["cat", "fox"], ["cat", "elk"], 2, "no output is named 'fox'"),
    "a typing error": (["tiger", "fox"], ["tigre", "fox"], 2, "no output is named 'tiger' (close: tigre)"),
    "many missing names": ([f"n{i}" for i in range(9)], list("abcdefghi"), 9, "'n4' and 4 others"),
    "an ambiguous name": (["crane"], ["crane", "crane"], 2, "'crane' may be any of the outputs 0 ('crane') and 1"),
    "two folders of one class": (["Cat", "cat"], ["CAT", "fox"], 2, "'Cat' and 'cat' both match output 0 ('CAT')"),
}


@pytest.mark.parametrize(("own", "classes", "outputs", "words"), REJECTED.values(), ids=REJECTED)
def test_classes_that_do_not_match_are_reported(own, classes, outputs, words):
    with pytest.raises(InvalidInput, match=r"^[^\n]+$") as caught:
        class_order(own, classes, outputs)
    assert words in str(caught.value)
    assert len(str(caught.value)) < 400


def test_a_thousand_classes_are_matched_in_any_order():
    names = [f"class_{i}" for i in range(1000)]
    found = class_order(names[::-1], [name.upper().replace("_", " ") for name in names], 1000)
    assert found.outputs == tuple(range(999, -1, -1))


def test_classes_are_read_from_a_list_or_a_file(tmp_path):
    file = tmp_path / "classes.txt"
    file.write_text("\ufeffcat\n  red fox \r\nélan\n\n", encoding="utf-8")
    assert read_classes(str(file)) == ("cat", "red fox", "élan")
    assert read_classes(["cat", 3]) == ("cat", "3")
    assert read_classes(None) is None
    file.write_text("cat\n\nfox\n")
    with pytest.raises(InvalidInput, match="has an empty name at place 2"):
        read_classes(str(file))
    with pytest.raises(InvalidInput, match=r"nowhere\.txt does not exist"):
        read_classes("nowhere.txt")
    file.write_bytes(b"\xff\xfe")
    with pytest.raises(InvalidInput, match="cannot be read as UTF-8 text"):
        read_classes(str(file))
