"""Text on the page: captions with their markup, and terms with a short explanation."""

import re
from collections.abc import Callable

from markupsafe import Markup, escape

# What readers of the field know and others may not. The first use of a term in a passage is explained.
TERMS = {
    "victim": "A network under attack: one data set, model, defense and training seed.",
    "white box": "The attack runs on the victim itself and follows its gradient.",
    "white-box": "The attack runs on the victim itself and follows its gradient.",
    "black box": "The attack sees the victim's predictions only, not its gradient.",
    "black-box": "The attack sees the victim's predictions only, not its gradient.",
    "static": "The images were made on the undefended network, without knowledge of the defense; the victim then "
    "classifies them.",
    "adaptive": "A white-box attack that takes the victim's filter or detector into account, even where it hides the "
    "gradient.",
    "transferred": "Made on another victim, without access to this one.",
    "worst case": "An image counts as correct only if the victim classifies it correctly under every attack.",
    "gradient masking": "A defense hides its gradient instead of resisting, so attacks that follow the gradient fail "
    "and others do not.",
    "masking": "A defense hides its gradient instead of resisting, so attacks that follow the gradient fail and "
    "others do not.",
    "Holm": "Holm's correction for several tests: it bounds the chance of a single false claim among all of them.",
    "McNemar": "McNemar's exact test compares two victims or attacks on the same images.",
    "Wilcoxon": "Wilcoxon's signed-rank test compares the distances that two attacks find on the same images.",
    "bootstrap": "The number is computed again from images drawn at random from the same ones; the interval holds 95 % "
    "of the results.",
    "single-step collapse": "The victim withstands one large step along the gradient, but not several small ones.",
    "Wilson": "Wilson's interval for a fraction: of many such intervals, each from other images of the same kind, 95 % "
    "contain the true value.",
    "95 % interval": "Of many such intervals, each from other images of the same kind, 95 % contain the true value.",
    "Cohen's g": "The fraction of the changes that are for the worse, minus one half: 0.05 is small, 0.25 is large.",
    "L∞": "The largest change of any pixel value, where black is 0 and white is 1.",
    "L1": "The sum of the changes of all pixel values, where black is 0 and white is 1.",
    "L2": "The Euclidean length of the change over all pixel values, where black is 0 and white is 1.",
    "SSIM": "Structural similarity with the clean image; 1 means equal.",
    "flow loss": "How unevenly neighbouring pixels are moved: 0 if all move alike.",
    "upper bound": "A stronger attack may fool more images, so the true value can only be lower.",
}
_PATTERN = re.compile(
    "|".join(rf"(?<![\w-]){re.escape(term)}(?![\w-])" for term in sorted(TERMS, key=len, reverse=True))
)


def glossary() -> list[tuple[str, str]]:
    """Return each term, in its first spelling, with its meaning, in alphabetical order."""
    spelled = {meaning: term for term, meaning in reversed(TERMS.items())}
    return sorted(((term, meaning) for meaning, term in spelled.items()), key=lambda entry: entry[0].casefold())


def explained(text: str) -> Markup:
    """Return the text as HTML. The first use of each term can be focused, and the page then shows what it means."""
    used: set[str] = set()

    def marked(found: re.Match[str]) -> str:
        meaning = TERMS[found[0]]
        if meaning in used:
            return str(escape(found[0]))
        used.add(meaning)
        return f'<dfn tabindex="0" data-meaning="{escape(meaning)}">{escape(found[0])}</dfn>'

    return Markup(_replaced(_PATTERN, marked, text))  # everything in it is escaped


def caption(text: str) -> Markup:
    """Return a caption of report/ as HTML. Of reStructuredText, captions use ``code`` and *emphasis*."""
    parts = re.split(r"(``.+?``|\*[^*]+\*)", text)
    return Markup("").join(_part(part) for part in parts)


def _part(text: str) -> Markup:
    if text.startswith("``"):
        return Markup("<code>{}</code>").format(text.strip("`"))
    if text.startswith("*"):
        return Markup("<em>{}</em>").format(text.strip("*"))
    return explained(text)


def _replaced(pattern: re.Pattern[str], replace: Callable[[re.Match[str]], str], text: str) -> str:
    """Replace the matches, and escape everything between them."""
    found, end = [], 0
    for match in pattern.finditer(text):
        found += [str(escape(text[end : match.start()])), replace(match)]
        end = match.end()
    return "".join([*found, str(escape(text[end:]))])
