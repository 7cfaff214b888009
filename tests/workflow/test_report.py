"""The report, opened in a browser as a reader would."""

import time


def wait_for(condition):
    deadline = time.monotonic() + 20
    while not (found := condition()) and time.monotonic() < deadline:
        time.sleep(0.05)
    return found


def click(browser, text):
    found = wait_for(lambda: browser.find_elements("xpath", f"//*[self::a or self::li][contains(., '{text}')]"))
    assert found, text
    found[-1].click()


def test_the_report_renders_with_every_study_and_its_figures(demo, browser):
    browser.get((demo.results / "report.html").as_uri())
    body = browser.find_element("tag name", "body")
    assert wait_for(lambda: "R4: FGSM sweep" in body.text)
    assert "rebuilds four published student projects" in body.text
    seen = {}
    for study in ("R1: stAdv", "R2: minimal perturbations", "R3: defenses", "R4: FGSM sweep"):
        browser.get((demo.results / "report.html").as_uri())
        click(browser, study)
        rows = wait_for(lambda: browser.find_elements("css selector", "tbody tr"))
        seen[study] = [row.text for row in rows]
        for index in range(len(rows)):
            row = browser.find_elements("css selector", "tbody tr")[index]
            row.find_element("css selector", "a").click()  # the eye
            if "figure" in row.text:
                assert wait_for(lambda: any(width > 300 for width in widths_of_images(browser))), row.text
            else:
                assert wait_for(lambda: browser.find_elements("tag name", "iframe")), row.text
    assert any("digits lenet fgsm_sweep" in text for text in seen["R4: FGSM sweep"])
    assert sum("figure" in text for texts in seen.values() for text in texts) == 19
    errors = [entry for entry in browser.get_log("browser") if entry["level"] == "SEVERE"]
    assert errors == []


def widths_of_images(browser):
    return [
        browser.execute_script("return arguments[0].naturalWidth", image)
        for image in browser.find_elements("tag name", "img")
    ]


def test_a_caption_says_how_a_figure_was_made(demo):
    text = (demo.results / "report.html").read_text(errors="ignore")
    assert "One gradient per image serves all epsilons" in text
    for host in ("http://cdn", "https://cdn.jsdelivr", "https://unpkg"):
        assert f'src="{host}' not in text


def test_the_leaderboard_works_within_the_report(demo, browser):
    browser.get((demo.results / "report.html").as_uri())
    click(browser, "Leaderboard")
    rows = wait_for(lambda: browser.find_elements("css selector", "tbody tr"))
    row = next(row for row in rows if "page: all boards" in row.text)
    row.find_element("css selector", "a").click()  # the eye
    browser.switch_to.frame(wait_for(lambda: browser.find_elements("tag name", "iframe"))[0])
    button = wait_for(lambda: browser.find_elements("css selector", "tbody td button"))[0]
    button.click()
    images = browser.find_elements("css selector", "tr.examples img")
    assert [browser.execute_script("return arguments[0].naturalWidth", image) for image in images] == [28] * len(images)
    assert images
    browser.switch_to.default_content()
