"""The explorer in a browser, on a phone and on a wide screen."""

import base64
import io
import time
import zlib
from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
from PIL import Image

from foolflow.pages.gallery import gallery, query
from tests.pages.axe import violations
from tests.pages.pages import HOSTILE, Attack, World, command, page, small_world
from tests.waiting import wait_for

LENET = ("lenet", "none", 0)
OWN = {"dataset": "digits", "model": "lenet", "defense": "none", "seed": 0}
SWEEP = "digits,lenet,none,0,lenet/none,fgsm"  # an address of an image, without its row
ROOMY = 10**8
PHONE, WIDE = 390, 1400


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    return small_world(tmp_path_factory.mktemp("results"))


@pytest.fixture(scope="module")
def shown(world):
    return gallery(world.cells, world.artefacts, limit=ROOMY, command=command)


@pytest.fixture(scope="module")
def file(shown, tmp_path_factory):
    return written(shown, tmp_path_factory.mktemp("page"))


def written(shown, folder):
    path = folder / "index.html"
    path.write_text(page(shown), encoding="utf-8")
    return path


@pytest.fixture
def visit(browser, file):
    """Open the page at an address, in a window of this width. Afterwards, the page must have logged no error."""

    def opened(address="", width=WIDE, path=file, **media):
        metrics = {"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": False}
        browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", metrics)
        features = [{"name": name.replace("_", "-"), "value": value} for name, value in media.items()]
        browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": features})
        browser.get("about:blank")
        browser.get(path.as_uri() + address)
        return Explorer(browser)

    yield opened
    assert [entry["message"] for entry in browser.get_log("browser") if entry["level"] == "SEVERE"] == []


class Explorer:
    """The page as a reader sees and uses it."""

    def __init__(self, browser):
        self.browser = browser

    def script(self, text, *arguments):
        return self.browser.execute_script(text, *arguments)

    def part(self, name):
        return self.browser.find_element("css selector", f'[data-part="{name}"]')

    def text(self, name):
        return self.part(name).text

    def thumbnails(self):
        return self.browser.find_elements("css selector", "[data-part=grid] button")

    def labels(self):
        """Return the accessible names of the thumbnails."""
        buttons = "[...document.querySelectorAll('[data-part=grid] button')]"
        return self.script(f"return {buttons}.map((each) => each.getAttribute('aria-label'))")

    def choose(self, key, value):
        if not self.browser.find_element("id", f"explorer-{key}").is_displayed():
            self.browser.find_element("css selector", "[data-part=folded] summary").click()
        select = self.browser.find_element("id", f"explorer-{key}")
        select.find_element("css selector", f'option[value="{value}"]').click()

    def options(self, key):
        """Return the options of a filter, with the count of each."""
        texts = self.script(f"return [...document.querySelectorAll('#explorer-{key} option')].map((one) => one.text)")
        found = (text.replace("\u2068", "").replace("\u2069", "").rpartition(" (") for text in texts)
        return {name: int(number.rstrip(")").replace(",", "")) for name, _, number in found}

    def outcome(self, value):
        self.press(f"input[name=explorer-outcome][value='{value}']")

    def press(self, selector):
        self.script("document.querySelector(arguments[0]).click()", selector)

    def count(self):
        """Return how many images match, according to the status line."""
        words = self.text("status").replace(",", "").split()
        return int(words[words.index("of") + 1]) if "of" in words else 0

    def keys(self, *keys, at=None):
        (at or self.browser.switch_to.active_element).send_keys(*keys)

    def hash(self):
        return self.script("return decodeURIComponent(location.hash)")

    def shows(self, name, image):
        """Wait until a canvas shows an image, (H, W) or (H, W, C); until it is painted, its size may differ, too."""
        colours = np.broadcast_to(np.atleast_3d(image), (*image.shape[:2], 3))
        return wait_for(lambda: np.array_equal(self.pixels(name)[:, :, :3], colours))

    def pixels(self, name):
        """Return what is painted on a canvas, uint8 (H, W, 4)."""
        flat, height, width = self.script(
            """const canvas = document.querySelector(`[data-part="${arguments[0]}"]`);
            const { data } = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height);
            return [[...data], canvas.height, canvas.width];""",
            name,
        )
        return np.array(flat, np.uint8).reshape(height, width, 4)

    def title(self):
        return self.text("title")

    def fits(self):
        return self.script("return document.documentElement.scrollWidth <= window.innerWidth")


def judged(world, **wanted):
    """Return all judged rows, as (cell, record), that have these keys."""
    for cell in world.cells:
        for row, record in world.artefacts.records(cell).iterrows():
            merged = {**cell, **record, "row": row, "source": cell["source"]}
            if all(merged[key] == value for key, value in wanted.items()):
                yield merged


def outcome_of(record):
    if record["clean_prediction"] != record["label"]:
        return "before"
    if record["target"] >= 0 and record["prediction"] == record["target"]:
        return "target"
    return "fooled" if record["prediction"] != record["label"] else "resisted"


# ---- What is painted ----


def test_painted_pixels_are_the_8_bit_images(visit, world):
    explorer = visit(f"#explorer?at={SWEEP},17&magnify=5")
    made = world.made({**OWN, "attack": "fgsm"})
    adversarial = np.rint(made.images(slice(17, 18))[0, 0] * 255).astype(int)
    clean = world.images["digits"][made.tensors["index"][17]][0].astype(int)
    assert explorer.shows("made", adversarial)
    assert explorer.shows("clean", clean)
    assert (explorer.pixels("clean")[:, :, 3] == 255).all()
    for magnify in (1, 5, 20):
        explorer.press(f"input[name=explorer-magnify][value='{magnify}']")
        grey = np.clip(128 + magnify * (adversarial - clean), 0, 255)
        assert explorer.shows("perturbation", grey)
        assert f"\u00d7{magnify}" in explorer.text("perturbation-text")


def test_colour_images_are_painted_in_colour(visit, tmp_path):
    world = small_world(tmp_path, shape=(3, 7, 11))
    path = written(gallery(world.cells, world.artefacts, limit=ROOMY), tmp_path)
    explorer = visit(f"#explorer?at={SWEEP},2", path=path)
    exact = np.rint(world.made({**OWN, "attack": "fgsm"}).images(slice(2, 3))[0] * 255).transpose(1, 2, 0)
    assert explorer.shows("made", exact)


def test_every_filter_of_png_is_undone(visit, tmp_path):
    world = small_world(tmp_path, shape=(3, 12, 12))
    shown = gallery(world.cells, world.artefacts, limit=ROOMY)
    pixels = np.array(Image.open(io.BytesIO(base64.b64decode(shown.sheets[0]))))
    encoded = with_all_filters(pixels)
    assert (np.array(Image.open(io.BytesIO(encoded))) == pixels).all()
    filtered = replace(shown, sheets=(base64.b64encode(encoded).decode(), *shown.sheets[1:]))
    explorer = visit("#explorer?attack=pgd&defense=none&epsilon=0.03137", path=written(filtered, tmp_path))
    for number in range(12):
        clean = world.images["digits"][number].transpose(1, 2, 0)
        assert explorer.shows("clean", clean)
        explorer.part("next").click()


def with_all_filters(pixels):
    """Encode uint8 (H, W, 3) as PNG, each row with the next of the five filters."""
    height, width, step = pixels.shape
    above = np.zeros(width * step, int)
    rows = b""
    for number, row in enumerate(pixels.reshape(height, -1).astype(int)):
        left, corner = (np.concatenate([np.zeros(step, int), line[:-step]]) for line in (row, above))
        guesses = np.stack([left, above, corner])
        nearest = np.abs(left + above - corner - guesses).argmin(0)  # Paeth: ties go to left, then above
        paeth = np.take_along_axis(guesses, nearest[None], 0)[0]
        predicted = (0 * row, left, above, (left + above) // 2, paeth)[number % 5]
        rows += bytes([number % 5]) + ((row - predicted) % 256).astype(np.uint8).tobytes()
        above = row
    header = width.to_bytes(4, "big") + height.to_bytes(4, "big") + bytes([8, 2, 0, 0, 0])
    packed = zlib.compress(rows)
    half = len(packed) // 2
    parts = [(b"IHDR", header), (b"IDAT", packed[:half]), (b"IDAT", packed[half:]), (b"IEND", b"")]
    chunks = (
        len(data).to_bytes(4, "big") + kind + data + zlib.crc32(kind + data).to_bytes(4, "big") for kind, data in parts
    )
    return b"\x89PNG\r\n\x1a\n" + b"".join(chunks)


def test_other_parts_of_the_page_can_paint_an_image(visit, world, shown):
    explorer = visit()
    cell = {**OWN, "attack": "pgd"}
    judgement, position = shown.place(cell, 5)
    flat = explorer.browser.execute_async_script(
        """const canvas = document.createElement("canvas");
        foolflowExplorer.paint(canvas, { judgement: arguments[0], row: arguments[1], what: "adversarial" }).then(() => {
          arguments[2]([...canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height).data]);
        });""",
        judgement,
        position,
    )
    exact = np.rint(world.made(cell).images(slice(5, 6))[0, 0] * 255)
    assert (np.array(flat).reshape(12, 12, 4)[:, :, 0] == exact).all()


def test_thumbnails_are_painted_when_they_are_seen(visit):
    explorer = visit(width=PHONE)

    def painted():
        return explorer.script(
            """return [...document.querySelectorAll("[data-part=grid] canvas")].map((canvas) =>
              canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height).data.some(Boolean));"""
        )

    explorer.script("document.querySelector('[data-part=grid]').scrollIntoView()")
    assert wait_for(lambda: painted()[0])
    assert not painted()[-1]  # three windows further down
    explorer.script("document.querySelector('[data-part=more]').scrollIntoView()")
    assert wait_for(lambda: painted()[-1])


# ---- Filters ----


def test_counts_are_those_of_the_records_given_the_other_filters(visit, world):
    explorer = visit()
    everything = list(judged(world))
    assert explorer.count() == len(everything)
    explorer.choose("attack", "fgsm")
    fgsm = list(judged(world, attack="fgsm"))
    assert explorer.count() == len(fgsm)
    assert explorer.options("attack")["pgd"] == len(list(judged(world, attack="pgd")))  # as if no attack were chosen
    for name, number in (("zero", 0), ("one", 1), ("two", 2)):
        assert explorer.options("class")[name] == sum(one["label"] == number for one in fgsm)
    explorer.choose("defense", "squeezed")
    squeezed = list(judged(world, attack="fgsm", defense="squeezed"))
    assert explorer.count() == len(squeezed)
    assert explorer.options("attack")["stadv"] == 0
    assert not explorer.browser.find_element("css selector", "#explorer-attack option[value=stadv]").is_enabled()
    for outcome in ("fooled", "resisted", "before"):
        explorer.outcome(outcome)
        assert explorer.count() == sum(outcome_of(one) == outcome for one in squeezed)
        words = {"fooled": "Fooled", "resisted": "Resisted", "before": "Wrong before"}[outcome]
        assert all(words in label for label in explorer.labels())
    explorer.press("button[type=reset]")
    assert wait_for(lambda: explorer.count() == len(everything))
    assert explorer.hash() == "#explorer"


@pytest.mark.parametrize(
    ("key", "value", "column"),
    [("class", "one", ("label", 1)), ("predicted", "two", ("prediction", 2)), ("epsilon", "0.2", ("epsilon", 0.2))],
)
def test_a_filter_shows_what_it_says(visit, world, key, value, column):
    explorer = visit()
    explorer.choose(key, value)
    wanted = list(judged(world, **dict([column])))
    assert explorer.count() == len(wanted) > 0
    assert explorer.hash() == f"#explorer?{key}={value}"


def test_images_can_be_filtered_by_the_victim_that_they_were_made_on(visit, world):
    explorer = visit()
    explorer.choose("source", "own")
    assert explorer.count() == len(list(judged(world, source=None)))
    explorer.choose("source", "lenet/none")
    own = len(list(judged(world, source=None, defense="none")))
    assert explorer.count() == own + len(list(judged(world, source="lenet/none")))
    explorer.choose("defense", "squeezed")
    assert all("made on lenet/none" in label for label in explorer.labels())


def test_without_transferred_images_and_with_one_victim_few_filters_are_needed(visit, tmp_path):
    world = World(tmp_path)
    world.add_dataset("digits", count=1)
    world.add_set("digits", LENET, Attack("pgd", (0.1,)))
    world.judge("digits", LENET, [("pgd", None)])
    explorer = visit(path=written(gallery(world.cells, world.artefacts, limit=ROOMY), tmp_path))
    assert explorer.browser.find_elements("css selector", "form[data-part=filters] select") == []
    assert explorer.text("status") == "Showing 1 of 1 image; 1 stored."
    assert not explorer.part("next").is_enabled()
    assert not explorer.part("previous").is_enabled()


def test_a_target_that_was_reached_is_an_outcome_of_its_own(visit, world):
    explorer = visit()
    explorer.outcome("target")
    reached = [one for one in judged(world, attack="targeted") if outcome_of(one) == "target"]
    assert explorer.count() == len(reached) > 0
    assert "as the attack intended" in explorer.text("verdict")
    assert "target" in explorer.text("after")
    assert "true" in explorer.text("after")


def test_a_page_without_images_of_a_set_says_so(visit, world, tmp_path):
    path = written(gallery(world.cells, world.artefacts, limit=0), tmp_path)
    explorer = visit(path=path)
    text = explorer.browser.find_element("id", "explorer").text
    assert "holds 0 of" in text
    assert not explorer.part("tool").is_displayed()


def test_a_run_without_adversarial_images_has_an_empty_explorer(visit, world, tmp_path):
    explorer = visit(path=written(gallery([], world.artefacts, limit=ROOMY), tmp_path))
    assert "No adversarial images were made." in explorer.browser.find_element("id", "explorer").text
    assert not explorer.part("tool").is_displayed()
    assert violations(explorer.browser) == []


# ---- Sorting and the histogram ----


@pytest.mark.parametrize("key", ["l2", "linf", "margin", "ssim", "confidence"])
def test_sorting_follows_the_records_in_both_directions(visit, world, key):
    explorer = visit("#explorer?attack=fgsm&defense=none")
    rows = list(judged(world, attack="fgsm", defense="none"))
    explorer.part("sort").find_element("css selector", f"option[value={key}]").click()
    assert key in explorer.hash()
    order = explorer.script(
        "return [...document.querySelectorAll('[data-part=grid] button')].map(({ row }) => row.row)"
    )
    values = [rows[at][key] for at in order]
    assert len(values) == len(rows) == 36
    assert all(one <= other + abs(other) * 1e-3 + 1e-3 for one, other in pairwise(values))
    explorer.part("direction").click()
    back = explorer.script("return [...document.querySelectorAll('[data-part=grid] button')].map(({ row }) => row.row)")
    values = [rows[at][key] for at in back]
    assert all(one >= other - abs(other) * 1e-3 - 1e-3 for one, other in pairwise(values))


def test_images_without_a_flow_loss_come_last_in_both_directions(visit):
    for order in ("asc", "desc"):
        explorer = visit(f"#explorer?sort=flow_loss&order={order}")
        attacks = [("stadv" in label) for label in explorer.labels()]
        assert attacks[:12] == [True] * 12
        assert not any(attacks[12:])


def test_the_histogram_is_brushed_with_the_pointer(visit):
    from selenium.webdriver import ActionChains

    explorer = visit("#explorer?sort=l2")
    before = explorer.count()
    svg = explorer.part("histogram")
    width = svg.size["width"]
    ActionChains(explorer.browser).move_to_element_with_offset(
        svg, -int(width * 0.2), 0
    ).click_and_hold().move_by_offset(int(width * 0.3), 0).release().perform()
    low, high = (float(explorer.part(end).get_attribute("value")) for end in ("from", "to"))
    lowest, highest = (float(explorer.part(end).get_attribute("placeholder")) for end in ("from", "to"))
    assert lowest < low < high < highest
    assert (low - lowest) / (highest - lowest) == pytest.approx(0.3, abs=0.02)
    assert (high - lowest) / (highest - lowest) == pytest.approx(0.6, abs=0.02)
    assert 0 < explorer.count() < before
    values = explorer.script(
        "return [...document.querySelectorAll('[data-part=grid] button small')].map((one) => one.textContent)"
    )
    assert all(low <= float(value.removeprefix("L2 ")) <= high for value in values)
    assert explorer.browser.find_elements("css selector", "rect.x-brush")
    ActionChains(explorer.browser).move_to_element(svg).click().perform()  # a click without a drag
    assert explorer.count() == before


def test_the_range_is_set_with_the_keyboard(visit, world):
    from selenium.webdriver.common.keys import Keys

    explorer = visit("#explorer?sort=index")
    explorer.keys("3", Keys.TAB, at=explorer.part("from"))
    explorer.keys("5", Keys.TAB)
    assert explorer.count() == len([one for one in judged(world) if 3 <= one["index"] <= 5])
    assert explorer.hash() == "#explorer?from=3&to=5"
    explorer.part("unbrush").click()
    assert explorer.count() == len(list(judged(world)))


# ---- The state in the address ----


def test_the_address_restores_the_state(visit):
    address = f"#explorer?attack=fgsm&outcome=fooled&sort=l2&order=desc&from=0.1&at={SWEEP},26&magnify=20"
    explorer = visit(address)
    assert explorer.browser.find_element("id", "explorer-attack").get_property("value") == "fgsm"
    assert explorer.script("return document.querySelector('input[name=explorer-outcome]:checked').value") == "fooled"
    assert explorer.part("sort").get_property("value") == "l2"
    assert "descending" in explorer.text("direction")
    assert explorer.part("from").get_property("value") == "0.1"
    assert explorer.script("return document.querySelector('input[name=explorer-magnify]:checked').value") == "20"
    assert explorer.title() == "Test image 2"
    assert "fgsm ε 0.2" in explorer.text("verdict")
    assert explorer.part("hint").is_displayed() is False


def test_back_and_forward_walk_through_the_states(visit, browser):
    browser.switch_to.new_window("tab")  # in a long history, as that of many tests, Chromium drops entries
    explorer = visit()
    everything = explorer.count()
    explorer.choose("attack", "fgsm")
    one = explorer.count()
    explorer.outcome("resisted")
    other = explorer.count()
    assert everything > one > other
    for step, expected in (("back", one), ("back", everything), ("forward", one), ("forward", other)):
        explorer.script(f"history.{step}()")
        assert wait_for(lambda expected=expected: explorer.count() == expected), (
            step,
            expected,
            explorer.text("status"),
            explorer.hash(),
        )


def test_what_an_address_asks_for_in_vain_is_ignored_with_a_hint(visit):
    explorer = visit("#explorer?attack=nothing&sort=toString&at=1&class=one&frame=2")
    assert explorer.text("hint") == "Not found here, so ignored: attack=nothing, sort=toString, at=1, frame=2."
    assert explorer.count() > 0
    assert all(": one" in label for label in explorer.labels())


def test_the_number_of_a_table_leads_to_its_images(visit, world):
    explorer = visit()
    cell = {**OWN, "attack": "fgsm", "source": None, "epsilon": 0.2, "outcome": "fooled"}
    explorer.script(
        """const link = Object.assign(document.createElement("a"), { href: arguments[0], textContent: "8.3" });
        document.getElementById("links").append(link);""",
        query(cell),
    )
    wanted = [one for one in judged(world, attack="fgsm", defense="none", epsilon=0.2) if outcome_of(one) == "fooled"]
    explorer.browser.find_element("css selector", "#links a").click()
    assert explorer.count() == len(wanted) > 0
    assert explorer.script("return document.activeElement.id") == "explorer-title"
    explorer.script("history.back()")
    assert wait_for(lambda: explorer.count() == len(list(judged(world))))


def test_another_hash_of_the_page_changes_nothing(visit):
    explorer = visit("#explorer?attack=fgsm")
    found = explorer.count()
    explorer.script("location.hash = '#links'")
    explorer.script("location.hash = '#explorer-title'")
    time.sleep(0.2)
    assert explorer.count() == found


# ---- One image ----


def test_the_detail_states_the_numbers_of_the_record(visit, world):
    explorer = visit(f"#explorer?at={SWEEP},26")
    record = world.artefacts.records({**OWN, "attack": "fgsm"}).iloc[26]
    facts = dict(zip(*[iter(explorer.text("facts").split("\n"))] * 2, strict=True))
    assert float(facts["L2"]) == pytest.approx(record["l2"], rel=1e-3)
    assert float(facts["L∞"]) == pytest.approx(record["linf"], rel=1e-3)
    assert float(facts["Margin"].replace("\u2212", "-")) == pytest.approx(record["margin"], rel=1e-3)
    assert facts["L0"] == f"{record['l0']} of 144 pixels"
    assert facts["True class"] == "two"
    assert explorer.text("command").startswith("snakemake results/attacks/digits/lenet/fgsm/")
    assert "row 26 of 36" in explorer.text("place")
    names = ("zero", "one", "two")
    for part, prefix in (("before", "clean_"), ("after", "")):
        lines = explorer.text(part).replace("\ntrue", "").split("\n")
        classes = [record[f"{prefix}prediction"], record[f"{prefix}class_2"], record[f"{prefix}class_3"]]
        assert lines[::2] == [names[each] for each in classes]
        share = float(lines[1].rstrip(" %"))
        assert share == pytest.approx(100 * record[f"{prefix}confidence"], abs=0.11)
        bar = explorer.part(part).find_element("css selector", "i")
        track = explorer.part(part).find_element("css selector", ".x-track")
        assert bar.size["width"] / track.size["width"] == pytest.approx(share / 100, abs=0.02)


def test_the_slider_has_the_stored_epsilons_and_marks_where_the_label_flips(visit, world):
    from selenium.webdriver.common.keys import Keys

    records = world.artefacts.records({**OWN, "attack": "fgsm"})
    image = next(i for i in range(9) if records.iloc[i]["prediction"] != records.iloc[24 + i]["prediction"])
    explorer = visit(f"#explorer?at={SWEEP},{image}")
    slider = explorer.part("epsilon")
    assert (slider.get_attribute("min"), slider.get_attribute("max")) == ("0", "3")
    assert slider.get_property("value") == "1"
    ticks = explorer.part("ticks").find_elements("css selector", "span")
    predictions = [
        records.iloc[image]["clean_prediction"],
        *(records.iloc[12 * at + image]["prediction"] for at in range(3)),
    ]
    label = records.iloc[image]["label"]
    assert [tick.text.split("\n")[0] for tick in ticks] == ["✓" if one == label else "✗" for one in predictions]
    flips = ["x-flip" in tick.get_attribute("class") for tick in ticks]
    assert flips == [False, *(one != other for one, other in zip(predictions[1:], predictions, strict=False))]
    assert any(flips)
    at = flips.index(True)
    assert f"between {(0, 0.05, 0.1, 0.2)[at - 1]} and {(0, 0.05, 0.1, 0.2)[at]}" in explorer.text("flip")
    explorer.keys(Keys.ARROW_RIGHT, at=slider)
    assert f"at={SWEEP},{12 + image}" in explorer.hash()
    assert "ε 0.1" in explorer.text("verdict")
    assert "0.1" in slider.get_attribute("aria-valuetext")
    explorer.keys(Keys.HOME, at=slider)
    assert "zero=1" in explorer.hash()
    clean = world.images["digits"][image][0]
    assert explorer.shows("made", clean)
    assert explorer.shows("perturbation", np.full_like(clean, 128))
    assert explorer.text("before") == explorer.text("after")


def test_the_end_of_a_long_list_is_reached_without_all_thumbnails(visit, tmp_path):
    world = small_world(tmp_path, count=300)
    path = written(gallery(world.cells, world.artefacts, limit=ROOMY), tmp_path)
    explorer = visit("#explorer?order=desc&at=digits,lenet,none,0,lenet/none,fgsm,400", path=path)
    assert explorer.title() == "Test image 100"
    assert len(explorer.thumbnails()) == 48
    explorer.part("next").click()
    assert explorer.title() in ("Test image 100", "Test image 99")
    explorer = visit(
        "#explorer?attack=fgsm&defense=none&epsilon=0.1&at=digits,lenet,none,0,lenet/none,fgsm,400", path=path
    )
    assert len(explorer.thumbnails()) == 144
    assert explorer.script("return document.querySelector('[data-part=grid] [aria-current]').row.row") == 400


def flow_label(explorer):
    return explorer.part("flow-canvas").get_attribute("aria-label") or ""


def test_views_of_the_flow(visit):
    explorer = visit("#explorer?attack=stadv")
    drawn = []
    for view in ("arrows", "grid", "magnitude", "shift"):
        explorer.press(f"input[name=explorer-view][value={view}]")
        label = {"arrows": "arrows", "grid": "warped grid", "magnitude": "magnitude", "shift": "common shift"}[view]
        assert wait_for(lambda label=label: f"Flow, {label}" in flow_label(explorer))
        drawn.append(explorer.pixels("flow-canvas").tobytes())
        # The mean of 0.5 sin over the columns is 0.5 * 0.58 for 12 of them, and 0.4 is added.
        down = np.mean(0.5 * np.sin(np.linspace(0, np.pi, 12)) + 0.4)
        assert f"{down:.2f} px up and 0.25 px to the right" in explorer.text("flow-text")
        assert explorer.part("heat").is_displayed() == (view == "magnitude")
    assert len(set(drawn)) == 4
    explorer = visit("#explorer?attack=fgsm")
    assert not explorer.part("flow").is_displayed()


def test_the_colour_of_the_magnitude_grows_with_the_length(visit):
    explorer = visit("#explorer?attack=stadv&view=magnitude")
    assert wait_for(lambda: "magnitude" in flow_label(explorer))
    line = explorer.pixels("flow-canvas")[300, :, :3].sum(1).astype(int)  # the flow is largest in the middle
    assert line[len(line) // 2] > line[len(line) // 4] > line[5]


def test_the_same_image_elsewhere_and_going_there(visit):
    explorer = visit(f"#explorer?at={SWEEP},26")
    there = explorer.part("elsewhere").find_elements("css selector", "button")
    assert len(there) == 7  # one per judgement
    labels = [each.get_attribute("aria-label") for each in there]
    assert all(label.startswith("Test image 2,") for label in labels)
    assert sum("fgsm ε 0.2" in label for label in labels) == 2  # the epsilon of this image, on both victims
    (current,) = [each for each in there if each.get_attribute("aria-current")]
    assert "fgsm ε 0.2" in current.get_attribute("aria-label")
    other = next(each for each in there if "lenet/squeezed, pgd ε 8/255:" in each.get_attribute("aria-label"))
    explorer.script("arguments[0].click()", other)
    assert "lenet/squeezed · pgd ε 8/255" in explorer.text("verdict")
    assert explorer.title() == "Test image 2"


def test_the_command_is_copied(visit):
    explorer = visit()
    explorer.browser.execute_cdp_cmd(
        "Browser.grantPermissions", {"permissions": ["clipboardReadWrite", "clipboardSanitizedWrite"]}
    )
    explorer.script("document.querySelector('[data-part=copy]').click()")
    assert wait_for(lambda: explorer.text("copy") in ("Copied", "Selected"))
    if explorer.text("copy") == "Selected":
        assert explorer.script("return getSelection().toString()") == explorer.text("command")


# ---- Keys ----


def test_arrows_walk_through_the_list(visit):
    from selenium.webdriver.common.keys import Keys

    explorer = visit("#explorer?attack=pgd&defense=none")
    body = explorer.browser.find_element("tag name", "body")
    assert explorer.title() == "Test image 0"
    explorer.keys(Keys.ARROW_RIGHT, Keys.ARROW_RIGHT, at=body)
    assert explorer.title() == "Test image 2"
    explorer.keys(Keys.ARROW_LEFT, at=body)
    assert explorer.title() == "Test image 1"
    explorer.part("next").click()
    assert explorer.title() == "Test image 2"
    # Many steps are one entry of the history.
    explorer.script("history.back()")
    assert wait_for(lambda: explorer.title() == "Test image 0")


def test_the_focus_moves_with_the_arrows_within_the_grid(visit):
    from selenium.webdriver.common.keys import Keys

    explorer = visit("#explorer?attack=pgd&defense=none")
    buttons = explorer.thumbnails()
    assert [button.get_attribute("tabindex") for button in buttons].count("0") == 1
    explorer.script("arguments[0].focus()", buttons[0])
    explorer.keys(Keys.ARROW_RIGHT)
    assert explorer.browser.switch_to.active_element == explorer.thumbnails()[1]
    explorer.keys(Keys.ARROW_DOWN)
    columns = explorer.script(
        "return getComputedStyle(document.querySelector('[data-part=grid]')).gridTemplateColumns.split(' ').length"
    )
    assert explorer.browser.switch_to.active_element == explorer.thumbnails()[1 + columns]


def test_keys_do_nothing_while_one_types(visit):
    from selenium.webdriver.common.keys import Keys

    explorer = visit("#explorer?sort=l2")
    before = explorer.title()
    explorer.keys("f?", Keys.ARROW_RIGHT, at=explorer.part("from"))
    assert explorer.title() == before
    assert explorer.part("flicker").get_attribute("aria-pressed") == "false"
    assert not explorer.part("dialog").is_displayed()
    assert "at=" not in explorer.hash()


def test_f_flickers_between_clean_and_adversarial_in_place(visit):
    explorer = visit(f"#explorer?at={SWEEP},26")
    body = explorer.browser.find_element("tag name", "body")
    explorer.keys("f", at=body)
    assert explorer.part("flicker").get_attribute("aria-pressed") == "true"
    seen = set()
    assert wait_for(lambda: len(seen.add(explorer.text("made-caption")) or seen) == 2)
    assert seen == {"Adversarial", "Clean (flicker)"}
    explorer.keys("f", at=body)
    assert explorer.text("made-caption") == "Adversarial"
    time.sleep(0.6)
    assert explorer.text("made-caption") == "Adversarial"


def test_with_less_motion_each_press_changes_the_image_once(visit, world):
    explorer = visit(f"#explorer?at={SWEEP},26", prefers_reduced_motion="reduce")
    body = explorer.browser.find_element("tag name", "body")
    clean = world.images["digits"][2][0]
    explorer.keys("f", at=body)
    assert explorer.shows("made", clean)
    time.sleep(0.6)
    assert explorer.text("made-caption") == "Clean (flicker)"
    explorer.keys("f", at=body)
    assert explorer.text("made-caption") == "Adversarial"


def test_the_help_opens_and_closes(visit):
    from selenium.webdriver.common.keys import Keys

    explorer = visit()
    explorer.keys("?", at=explorer.browser.find_element("tag name", "body"))
    assert explorer.part("dialog").is_displayed()
    assert violations(explorer.browser) == []
    explorer.keys(Keys.ESCAPE)
    assert not explorer.part("dialog").is_displayed()
    explorer.part("help").click()
    assert explorer.part("dialog").is_displayed()


def test_show_more_adds_thumbnails_and_takes_the_focus_there(visit, world):
    explorer = visit()
    assert len(explorer.thumbnails()) == 48
    explorer.script("document.querySelector('[data-part=more]').click()")
    assert len(explorer.thumbnails()) == 96
    assert explorer.browser.switch_to.active_element == explorer.thumbnails()[48]
    assert explorer.text("status").startswith("Showing 96 of")


# ---- On a phone ----


def test_on_a_phone_the_filters_are_folded_but_named(visit):
    explorer = visit(width=PHONE)
    assert not explorer.browser.find_element("id", "explorer-attack").is_displayed()
    assert (
        explorer.script("return document.querySelector('[data-part=grid]').getBoundingClientRect().top") < 800
    )  # of 900
    explorer.choose("attack", "pgd")
    assert explorer.browser.find_element("id", "explorer-attack").is_displayed()
    explorer = visit("#explorer?attack=pgd&source=own", width=PHONE)
    assert not explorer.browser.find_element("id", "explorer-attack").is_displayed()
    text = explorer.text("folded-text").replace("\u2068", "").replace("\u2069", "")
    assert text == "Filters: made on the victim itself, attack pgd"
    assert visit(width=WIDE).browser.find_element("id", "explorer-class").is_displayed()


def test_on_a_phone_the_image_opens_below_and_leads_back(visit):
    explorer = visit(width=PHONE)
    assert not explorer.part("detail").is_displayed()
    button = explorer.thumbnails()[4]
    button.click()
    assert explorer.part("detail").is_displayed()
    assert explorer.script("return document.activeElement.dataset.part") == "title"
    top = explorer.script("return document.querySelector('[data-part=detail]').getBoundingClientRect().top")
    assert abs(top) < 40
    explorer.part("back").click()
    assert explorer.browser.switch_to.active_element == explorer.thumbnails()[4]


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [PHONE, WIDE])
@pytest.mark.parametrize(
    "address",
    [
        "",
        f"#explorer?at={SWEEP},26",
        "#explorer?attack=stadv&sort=l2&from=0.2",
        "#explorer?attack=targeted&outcome=target&x=1",
    ],
)
def test_nothing_is_wider_than_the_window_and_axe_finds_nothing(visit, width, scheme, address):
    explorer = visit(address, width=width, prefers_color_scheme=scheme)
    assert explorer.fits()
    assert violations(explorer.browser) == []
    if width == PHONE:
        explorer.thumbnails()[0].click()
        assert explorer.fits()
        assert violations(explorer.browser) == []


# ---- Names and numbers of classes ----


@pytest.mark.parametrize("width", [PHONE, WIDE])
def test_hostile_names_run_nothing_and_are_shown_as_text(visit, tmp_path, width):
    world = small_world(tmp_path, HOSTILE)
    path = written(gallery(world.cells, world.artefacts, limit=ROOMY), tmp_path)
    explorer = visit("#explorer?sort=index", width=width, path=path)
    explorer.script("window.alert = () => { window.ran = true; }")
    explorer.thumbnails()[0].click()
    assert HOSTILE[0] in explorer.text("facts")
    assert HOSTILE[0] in explorer.options("class")
    assert explorer.fits()
    assert explorer.browser.find_elements("css selector", "img") == []
    assert explorer.script("return window.ran") is None
    explorer.choose("class", HOSTILE[1])
    assert all(HOSTILE[1] in label for label in explorer.labels())
    bdi = explorer.part("facts").find_element("css selector", "bdi")
    assert explorer.script("return getComputedStyle(arguments[0]).unicodeBidi", bdi) == "isolate"


def test_a_thousand_classes_are_a_field_with_suggestions(visit, tmp_path):
    names = tuple(f"class {number}" for number in range(1000))
    world = small_world(tmp_path, names, count=120)
    path = written(gallery(world.cells, world.artefacts, limit=ROOMY), tmp_path)
    explorer = visit(path=path)
    field = explorer.browser.find_element("id", "explorer-class")
    assert field.tag_name == "input"
    suggested = explorer.browser.find_elements("css selector", "#explorer-class-options option")
    assert len(suggested) == 120  # those that occur
    explorer.keys("class 3\n", at=field)
    assert wait_for(lambda: explorer.hash() == "#explorer?class=class 3")
    assert explorer.count() == len([one for one in judged(world) if one["label"] == 3])
    field.clear()
    explorer.keys("class x\t", at=field)
    assert wait_for(lambda: "No true class is called “class x”" in explorer.text("hint"))
    assert violations(explorer.browser) == []


def test_thirty_victims(visit, tmp_path):
    world = World(tmp_path)
    world.add_dataset("digits")
    for number in range(30):
        victim = (f"a_rather_long_model_name_{number}", "adversarial_training", number % 2)
        world.add_set("digits", victim, Attack("pgd", (0.1,)))
        world.judge("digits", victim, [("pgd", None)])
    path = written(gallery(world.cells, world.artefacts, limit=ROOMY), tmp_path)
    for width in (PHONE, WIDE):
        explorer = visit(
            "#explorer?at=digits,a_rather_long_model_name_7,adversarial_training,1,a_rather_long_model_name_7/adversarial_training,pgd,3",
            width=width,
            path=path,
        )
        assert len(explorer.part("elsewhere").find_elements("css selector", "button")) == 30
        assert "a_rather_long_model_name_7/adversarial_training, seed 1" in explorer.text("verdict")
        assert explorer.fits()
        assert len(explorer.options("model")) == 31


@pytest.mark.parametrize("width", [PHONE, WIDE])
@pytest.mark.parametrize("shape", [(1, 1, 1), (3, 224, 160)])
def test_tiny_and_large_images(visit, tmp_path, shape, width):
    world = World(tmp_path)
    world.add_dataset("photos", shape=shape, count=3)
    world.add_set("photos", LENET, Attack("stadv", flow=True))
    world.judge("photos", LENET, [("stadv", None)])
    path = written(gallery(world.cells, world.artefacts, limit=ROOMY), tmp_path)
    explorer = visit("#explorer?at=photos,lenet,none,0,lenet/none,stadv,1", width=width, path=path)
    exact = np.rint(world.made(world.cells[0]).images(slice(1, 2))[0] * 255).transpose(1, 2, 0)
    assert explorer.shows("made", exact)
    sides = {(each["width"], each["height"]) for each in (explorer.part(name).rect for name in ("clean", "made"))}
    assert len(sides) == 1
    assert explorer.fits()


def test_the_script_leaves_one_global_name(visit):
    explorer = visit()
    names = explorer.script(
        """const frame = document.body.appendChild(document.createElement("iframe"));
        const known = new Set(Object.getOwnPropertyNames(frame.contentWindow));
        frame.remove();
        return Object.getOwnPropertyNames(window).filter((name) => !known.has(name));"""
    )
    assert [name for name in names if not name.startswith(("cdc_", "$", "ret_nodes"))] == ["foolflowExplorer"]


# ---- What a number of a table means: attacks within a bound ----


def outcomes(explorer):
    """Return the number of images of each outcome, as the filter states it."""
    labels = explorer.browser.find_elements("css selector", "[data-part=outcomes] label")
    shown = [label.text.split() for label in labels if label.is_displayed()]
    return {" ".join(words[:-1]).lstrip("✗◎✓\u2013 "): int(words[-1].replace(",", "")) for words in shown}


def test_a_perturbation_beyond_the_bound_does_not_count(visit, world):
    address = query({**OWN, "attack": "fgsm"})
    every = outcomes(visit(address))
    assert "Fooled beyond the bound" not in every
    bound = 0.1
    within = outcomes(visit(query({**OWN, "attack": "fgsm", "within": ["linf", bound]})))
    records = world.artefacts.records({**OWN, "attack": "fgsm", "source": None, "study": "robustness"})
    right = records["clean_prediction"] == records["label"]
    fooled = right & (records["prediction"] != records["label"])
    counts = fooled & (records["linf"] <= bound * (1 + 1e-6) + 1e-7)
    assert every["Fooled"] == fooled.sum()
    assert within["Fooled"] == counts.sum() < fooled.sum()
    assert within["Fooled beyond the bound"] == fooled.sum() - counts.sum()
    assert within["All"] == every["All"] == len(records)


def test_the_bound_is_named_and_can_be_lifted(visit):
    explorer = visit(query({**OWN, "attack": "fgsm", "within": ["linf", 0.1], "outcome": "resisted"}))
    button = explorer.browser.find_element("css selector", "[data-part=within]")
    assert button.text == "Only perturbations within L∞ 0.1 count ✕"
    button.click()
    assert not button.is_displayed()
    assert "within" not in explorer.browser.execute_script("return location.hash")


def test_a_link_may_ask_for_several_attacks(visit):
    explorer = visit(query({**OWN, "attacks": ["pgd", "stadv"]}))
    assert explorer.browser.execute_script("return location.hash").count("attack=pgd,stadv") == 1
    select = explorer.browser.find_element("id", "explorer-attack")
    chosen = explorer.browser.execute_script("return arguments[0].selectedOptions[0].textContent", select)
    one, other = (outcomes(visit(query({**OWN, "attacks": [name]})))["All"] for name in ("pgd", "stadv"))
    assert chosen.endswith(f"({one + other})")
    assert "2 attacks" in chosen


def test_at_epsilon_zero_nothing_is_said_of_the_attack(visit):
    explorer = visit(f"#explorer?attack=fgsm&at={SWEEP},0&zero=1")
    verdict = explorer.browser.find_element("css selector", "[data-part=verdict]").text
    assert verdict.startswith("Clean image, epsilon 0: ")
    assert "Fooled" not in verdict
    facts = explorer.browser.find_element("css selector", "[data-part=facts]").text
    assert "L2" not in facts


def test_an_address_that_is_pasted_scrolls_to_the_explorer(visit):
    explorer = visit()
    explorer.browser.execute_script(
        "document.body.prepend(Object.assign(document.createElement('div'), { style: 'height: 3000px' }))"
    )
    explorer.browser.execute_script("window.scrollTo(0, 0); location.hash = '#explorer?attack=pgd'")
    assert wait_for(lambda: explorer.browser.execute_script("return scrollY") > 2000)
