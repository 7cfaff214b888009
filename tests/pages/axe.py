"""Check a page for violations of the Web Content Accessibility Guidelines with axe-core."""

from functools import cache
from importlib.resources import files
from typing import Any

import pytest

RULES = ("wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "best-practice")


@cache
def _script() -> str:
    pytest.importorskip("axe_playwright_python")  # it carries axe-core; nothing of Playwright is used
    return files("axe_playwright_python").joinpath("axe.min.js").read_text(encoding="utf-8")


def violations(browser: Any, within: str = "html") -> list[str]:
    """Return one line per violation on the page that is open: the rule, what to do, and the first elements.

    browser: a Selenium driver.  within: the part of the page to check, as a CSS selector.
    """
    browser.execute_script(_script())
    found = browser.execute_async_script(
        """
        const [within, rules, done] = arguments;
        axe.run(within, { runOnly: rules, resultTypes: ["violations"] }).then(
          (results) => done(results.violations), (error) => done([{ id: String(error), help: "", nodes: [] }]));
        """,
        within,
        list(RULES),
    )
    return [
        f"{one['id']}: {one['help']}: " + "; ".join(" ".join(map(str, node["target"])) for node in one["nodes"][:5])
        for one in found
    ]
