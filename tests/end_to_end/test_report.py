"""The report, opened in a browser as a reader would."""

import re
import time

from tests.waiting import wait_for


def click(browser, text):
    """Click an entry of the menu once it is at rest: while the menu changes, a click lands on a neighbour."""
    from selenium.common.exceptions import ElementClickInterceptedException, StaleElementReferenceException

    def clicked():
        found = browser.find_elements("xpath", f"//*[self::a or self::li][contains(., '{text}')]")
        try:
            before = found and found[-1].rect
            time.sleep(0.3)
            if not found or found[-1].rect != before:
                return False
            found[-1].click()
        except (ElementClickInterceptedException, StaleElementReferenceException):
            return False
        return True

    assert wait_for(clicked), text


FIGURES = {"stAdv": 10, "Minimal perturbations": 3, "Defenses": 6, "FGSM sweep": 3}


def rows(browser):
    return [row.text for row in browser.find_elements("css selector", "tbody tr")]


def rows_with_figures(browser, count):
    """All rows of the table, once so many of them are figures."""
    wait_for(lambda: sum("figure" in row for row in rows(browser)) == count)
    return rows(browser)


def test_the_report_renders_with_every_study_and_its_figures(demo, browser):
    browser.get((demo.results / "report.html").as_uri())
    body = browser.find_element("tag name", "body")
    assert wait_for(lambda: "FGSM sweep" in body.text)
    assert body.find_elements("css selector", "a[href='index.html']")  # the page, which lies next to it
    assert not re.search(r"\bR[1-4]\b", body.text)  # the demo runs on other data
    for study, figures in FIGURES.items():
        browser.get((demo.results / "report.html").as_uri())
        click(browser, study)
        texts = rows_with_figures(browser, figures)
        assert sum("figure" in text for text in texts) == figures, texts
        for index, text in enumerate(texts):
            row = browser.find_elements("css selector", "tbody tr")[index]
            row.find_element("css selector", "a").click()  # the eye
            if "figure" in text:
                assert wait_for(lambda: any(width > 300 for width in widths_of_images(browser))), text
            else:
                assert wait_for(lambda: browser.find_elements("tag name", "iframe")), text
    assert any("digits lenet fgsm_sweep" in text for text in texts)
    errors = [entry for entry in browser.get_log("browser") if entry["level"] == "SEVERE"]
    assert errors == []


def widths_of_images(browser):
    return [
        browser.execute_script("return arguments[0].naturalWidth", image)
        for image in browser.find_elements("tag name", "img")
    ]


def test_a_caption_says_how_a_figure_was_made(demo):
    text = (demo.results / "report.html").read_text(errors="ignore")
    assert "All images count, and an image that was misclassified before the attack counts as an error" in text
    for host in ("http://cdn", "https://cdn.jsdelivr", "https://unpkg"):
        assert f'src="{host}' not in text
