"""What the explorer shows: exact images, within the limit, each judgement once, and hostile names as text."""

import base64
import io
import json
import re

import numpy as np
import pytest
from PIL import Image

from foolflow.errors import InvalidInput
from foolflow.pages import sprites
from foolflow.pages.gallery import gallery, query
from tests.pages.pages import DIGITS, HOSTILE, Attack, World, command, page, small_world
from tests.saving import save_set

LENET = ("lenet", "none", 0)
ROOMY = 10**8


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    return small_world(tmp_path_factory.mktemp("results"))


@pytest.fixture(scope="module")
def whole(world):
    return gallery(world.cells, world.artefacts, limit=ROOMY, command=command)


def sheet(shown, number):
    """Return a sprite sheet as Pillow reads it: uint8 (H, W, C)."""
    pixels = np.array(Image.open(io.BytesIO(base64.b64decode(shown.sheets[number]))))
    return pixels if pixels.ndim == 3 else pixels[:, :, None]


def images(shown, place, count, height, width):
    """Return the images that lie in sheets, uint8 (N, C, H, W)."""
    found = []
    for at in range(count):
        pixels = sheet(shown, place["first"] + at // place["per"])
        row, column = divmod(at % place["per"], place["columns"])
        found.append(pixels[row * height : (row + 1) * height, column * width : (column + 1) * width])
    return np.stack(found).transpose(0, 3, 1, 2)


def adversarial(shown, entry):
    """Return the adversarial images of a set as the page's script computes them."""
    dataset = json.loads(shown.data)["datasets"][entry["dataset"]]
    size = (dataset["height"], dataset["width"])
    clean = images(shown, dataset["sprites"], len(dataset["index"]), *size)
    return clean[entry["image"]] + images(shown, entry["sprites"], len(entry["row"]), *size)


@pytest.mark.parametrize("shape", [(1, 12, 12), (3, 12, 12), (1, 1, 1), (3, 5, 9), (1, 40, 3)])
def test_sheets_give_back_exactly_the_8_bit_images(tmp_path, monkeypatch, shape):
    monkeypatch.setattr(sprites, "PIXELS", 5 * shape[1] * shape[2])  # so that a set needs several sheets
    world = small_world(tmp_path, shape=shape)
    shown = gallery(world.cells, world.artefacts, limit=ROOMY)
    for entry in json.loads(shown.data)["sets"]:
        model, defense = entry["source"].split("/")
        made = world.stored[("digits", model, defense, 0, entry["attack"])]
        assert len(entry["row"]) == len(made)
        exact = np.rint(made.images(np.array(entry["row"])) * 255).astype(np.uint8)
        assert (adversarial(shown, entry) == exact).all()
        assert max(max(sheet(shown, number).shape) for number in range(len(shown.sheets))) <= 16_000


def test_sets_of_8_bit_images_are_shown_as_they_are(tmp_path):
    world = World(tmp_path)
    world.add_dataset("photos", shape=(3, 8, 8))
    world.add_set("photos", LENET, Attack("pgd", (0.1,)))
    stored = next(iter(world.stored.values()))
    levels = np.rint(stored.images(slice(None)) * 255).astype(np.uint8)
    save_set(world.files["adversarial"][0], type(stored)({**stored.tensors, "images": levels}))
    world.judge("photos", LENET, [("pgd", None)])
    shown = gallery(world.cells, world.artefacts, limit=ROOMY)
    (entry,) = json.loads(shown.data)["sets"]
    assert (adversarial(shown, entry) == levels).all()


def test_flow_is_exact_to_a_127th_of_its_largest_value(world, whole):
    (entry,) = [one for one in json.loads(whole.data)["sets"] if one["attack"] == "stadv"]
    flow = world.stored[("digits", "lenet", "none", 0, "stadv")].tensors["flow"]
    steps = images(whole, entry["flow"], len(flow), 24, 12).astype(float)
    scale = entry["flow"]["scale"]
    assert scale == pytest.approx(np.abs(flow).max(), rel=2e-3)
    decoded = ((steps - 128) / 127 * scale).reshape(len(flow), 2, 12, 12)
    assert np.abs(decoded - flow).max() <= scale / 254 * 1.001


def test_reduced_flow_is_the_average_in_pixels_of_the_full_image(tmp_path, monkeypatch):
    monkeypatch.setattr("foolflow.pages.gallery.SMALLEST", 4)
    world = World(tmp_path)
    world.add_dataset("digits", shape=(1, 16, 16), count=20)
    world.add_set("digits", LENET, Attack("stadv", flow=True))
    world.judge("digits", LENET, [("stadv", None)])
    full = gallery(world.cells, world.artefacts, limit=ROOMY)
    shown = gallery(world.cells, world.artefacts, limit=full.size // 3)
    data = json.loads(shown.data)
    (entry,), (dataset,) = data["sets"], data["datasets"]
    assert dataset["factor"] in (2, 4)
    factor, side = dataset["factor"], 16 // dataset["factor"]
    flow = world.made(world.cells[0]).tensors["flow"][entry["row"]]
    averages = flow.reshape(len(flow), 2, side, factor, side, factor).mean((3, 5))
    steps = images(shown, entry["flow"], len(flow), 2 * side, side).astype(float)
    decoded = ((steps - 128) / 127 * entry["flow"]["scale"]).reshape(averages.shape)
    assert np.abs(decoded - averages).max() <= entry["flow"]["scale"] / 254 * 1.001


def test_each_judgement_is_shown_once_with_its_predictions(world, whole):
    data = json.loads(whole.data)
    again = gallery([*world.cells, *world.cells], world.artefacts, limit=ROOMY, command=command)
    assert again.data == whole.data
    assert len(data["judgements"]) == len(world.cells) == 7
    assert len(data["sets"]) == 5  # two of them are judged by two victims
    for number, cell in enumerate(world.cells):
        records = world.artefacts.records(cell)
        judgement = data["judgements"][number]
        likely = np.array(judgement["likely"]).reshape(-1, judgement["width"])
        assert judgement["width"] == 3
        assert (likely[:, 0] == records["prediction"]).all()
        assert (likely[:, 1] == records["class_2"]).all()
        shares = np.array(judgement["confidence"]).reshape(-1, 3) / 1000
        assert np.abs(shares[:, 0] - records["confidence"]).max() <= 0.0011
        assert np.abs(np.array(judgement["margin"]) - records["margin"]).max() < 1e-3
        made = data["sets"][judgement["set"]]
        assert ("flow_loss" in made) == (cell["attack"] == "stadv")
        assert np.abs(np.array(made["l2"]) - world.artefacts.records(world.cells[number])["l2"]).max() < 0.2


def test_judgements_of_several_studies_are_found_by_their_study(world, tmp_path):
    again = small_world(tmp_path)
    again.judge("digits", LENET, [("fgsm", None)], study="leaderboard")
    artefacts = again.artefacts
    one, other = again.cells[0], again.cells[-1]
    assert (one["study"], other["study"]) == ("robustness", "leaderboard")
    assert not artefacts.records(one).equals(artefacts.records(other))
    with pytest.raises(InvalidInput, match="judgements of nowhere/digits"):
        artefacts.records({**one, "study": "nowhere"})
    # The first of the two is shown.
    assert gallery(again.cells, artefacts, limit=ROOMY).data == gallery(again.cells[:-1], artefacts, limit=ROOMY).data


def test_only_a_confidence_of_1_is_shown_as_100_percent(tmp_path):
    world = World(tmp_path)
    world.add_dataset("digits")
    world.add_set("digits", LENET, Attack("pgd", (0.1,)))
    world.judge("digits", LENET, [("pgd", None)])
    artefacts = world.artefacts
    records = artefacts.records(world.cells[0])
    records["confidence"] = [1.0, 0.99999, *[0.5] * 10]
    records.attrs["class_names"] = list(DIGITS)
    records.to_parquet(world.files["judgements"][0])
    (judgement,) = json.loads(gallery(world.cells, world.artefacts, limit=ROOMY).data)["judgements"]
    assert judgement["confidence"][::3][:3] == [1000, 999, 500]


@pytest.mark.parametrize("limit", [12_000, 20_000, 40_000])
def test_the_gallery_fits_and_uses_most_of_its_limit(tmp_path, limit):
    world = small_world(tmp_path, count=200)
    shown = gallery(world.cells, world.artefacts, limit=limit)
    assert shown.size <= limit
    assert shown.size > 0.7 * limit
    assert len(page(shown)) - len(page(gallery([], world.artefacts, limit=limit))) < limit * 1.1 + 2_000
    for entry in json.loads(shown.data)["sets"]:
        dataset = json.loads(shown.data)["datasets"][entry["dataset"]]
        lowest = [dataset["index"][image] for image in entry["image"]]
        assert len(set(lowest)) <= shown.count
        if len(set(lowest)) == shown.count:
            made = world.stored[("digits", *entry["source"].split("/"), 0, entry["attack"])]
            assert set(lowest) == set(np.unique(made.tensors["index"])[: shown.count])
    assert "judged adversarial images" in shown.notes[0]
    assert sum(one.shown for one in shown.stock) < sum(one.stored for one in shown.stock)


def test_without_room_nothing_is_shown(world):
    shown = gallery(world.cells, world.artefacts, limit=0)
    assert {one.shown for one in shown.stock} == {0}
    assert shown.count == 0
    assert shown.place(world.cells[0], 0) is None


def test_large_images_are_reduced_by_averages_until_eight_fit(tmp_path):
    world = World(tmp_path)
    world.add_dataset("photos", shape=(3, 300, 200), count=10)
    world.add_set("photos", LENET, Attack("pgd", (0.1,)))
    world.judge("photos", LENET, [("pgd", None)])
    full = gallery(world.cells, world.artefacts, limit=ROOMY)
    assert (full.count, full.notes) == (10, ())
    # Less than 8 images fit at full resolution; at half of it, 100 pixels wide, they do; a quarter is too small.
    shown = gallery(world.cells, world.artefacts, limit=full.size // 3)
    data = json.loads(shown.data)
    (dataset,) = data["datasets"]
    assert (dataset["factor"], dataset["height"], dataset["width"], dataset["full"]) == (2, 150, 100, [300, 200])
    assert shown.count >= 8
    assert shown.size <= full.size // 3
    assert "150 x 100 pixels" in shown.notes[-1]
    made = world.made(world.cells[0]).images(np.arange(len(data["sets"][0]["row"])))
    levels = np.rint(made * 255)
    averages = np.rint(levels.reshape(-1, 3, 150, 2, 100, 2).mean((3, 5)))
    assert (adversarial(shown, data["sets"][0]) == averages).all()
    smallest = gallery(world.cells, world.artefacts, limit=full.size // 12)
    assert json.loads(smallest.data)["datasets"][0]["factor"] == 2
    assert 0 < smallest.count < 8


def test_the_same_results_give_the_same_bytes(world, whole):
    again = gallery(world.cells, world.artefacts, limit=ROOMY, command=command)
    assert again == whole
    assert page(again) == page(whole)


@pytest.mark.parametrize("names", [("yes", "no"), tuple(f"class {number}" for number in range(1000))])
def test_two_or_a_thousand_classes(tmp_path, names):
    world = small_world(tmp_path, names)
    data = json.loads(gallery(world.cells, world.artefacts, limit=ROOMY).data)
    assert data["names"] == [list(names)]
    assert {one["width"] for one in data["judgements"]} == {min(5, len(names))}


def test_hostile_names_are_data_and_end_no_element(tmp_path):
    world = small_world(tmp_path, HOSTILE)
    shown = gallery(world.cells, world.artefacts, limit=ROOMY)
    assert "<" not in shown.data
    assert json.loads(shown.data)["names"] == [list(HOSTILE)]
    html = page(shown)
    assert "<img" not in html
    assert html.count("</script>") == 2 + len(shown.sheets)


def test_the_page_loads_nothing(whole):
    html = page(whole)
    assert not re.search(r"\b(src|href)=[\"'](?!#)", re.sub(r"<script.*?</script>", "", html, flags=re.DOTALL))
    assert set(re.findall(r"https?://[^\"' ]+", html)) == {"http://www.w3.org/2000/svg"}  # a name, not an address
    assert not re.search(r"\bimport\b|fetch\(|XMLHttpRequest|innerHTML|insertAdjacentHTML|\beval\(", html)


def test_no_cells_make_an_empty_gallery(world):
    shown = gallery([], world.artefacts, limit=1000)
    assert json.loads(shown.data)["judgements"] == []
    assert "No adversarial images were made." in page(shown)


@pytest.mark.parametrize(
    ("cell", "address"),
    [
        ({}, "#explorer"),
        ({"dataset": "digits", "attack": "fgsm"}, "#explorer?dataset=digits&attack=fgsm"),
        (
            {"dataset": "digits", "model": "lenet", "defense": "none", "seed": 0, "attack": "fgsm", "source": None},
            "#explorer?dataset=digits&model=lenet&defense=none&seed=0&source=own&attack=fgsm",
        ),
        (
            {"model": "lenet", "defense": "jpeg", "attack": "fgsm", "source": "lenet/none", "epsilon": 8 / 255},
            "#explorer?model=lenet&defense=jpeg&source=lenet/none&attack=fgsm&epsilon=0.03137",
        ),
        ({"model": "a&b=c d", "outcome": "fooled", "rank": 3}, "#explorer?model=a%26b%3Dc%20d&outcome=fooled"),
    ],
)
def test_a_cell_of_a_table_has_an_address(cell, address):
    assert query(cell) == address


def test_commands_and_rows_recreate_an_image(world, whole):
    for entry in json.loads(whole.data)["sets"]:
        assert entry["command"].endswith(f"/{entry['attack']}/adversarial.safetensors")
        assert entry["row"] == list(range(entry["stored"]))


def test_png_of_sparse_differences_is_not_larger_than_pillows():
    sparse = np.zeros((200, 200, 1), np.uint8)
    sparse[::7, ::5] = 251
    file = io.BytesIO()
    Image.fromarray(sparse[:, :, 0]).save(file, format="PNG", optimize=True)
    encoded = sprites.png(sparse)
    assert len(encoded) <= len(file.getvalue())
    assert (np.array(Image.open(io.BytesIO(encoded))) == sparse[:, :, 0]).all()


def test_an_attack_has_its_name_for_readers_unless_another_attack_has_it(tmp_path):
    world = World(tmp_path)
    world.add_dataset("digits")
    names = ["robustness-pgd", "robustness-fgsm", "fgsm"]
    for name in names:
        world.add_set("digits", ("lenet", "none", 0), Attack(name))
    world.judge("digits", ("lenet", "none", 0), [(name, None) for name in names])
    shown = gallery(world.cells, world.artefacts, limit=10**6)
    assert json.loads(shown.data)["attacks"] == {"robustness-pgd": "pgd"}
    assert [stock.attack for stock in shown.stock] == ["pgd", "robustness-fgsm", "fgsm"]
