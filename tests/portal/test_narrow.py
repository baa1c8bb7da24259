"""In a real Chromium: words and targets keep their size on a phone, and a table shows its numbers whole."""

from __future__ import annotations

import pytest

from models_registry.description import DataDescription
from models_registry.models import DatasetVersion, IntakeState
from models_registry.services import add_dataset_version
from tests.browser import browser, chromium, served, sign_in
from tests.conftest import make_people
from tests.models_registry.registered import Registered
from tests.models_registry.stored import stored

_TILES = """<section class="tiles"><div class="tile"><h2>Fairness</h2><span class="verdict none">
<svg viewBox="0 0 16 16"></svg><span>12 undecided</span></span></div><div class="tile"></div></section>"""
_NUMBERS = "".join(
    f"<td>{cell}</td>"
    for cell in (
        '<input value="income">',
        "<select><option>number</select>",
        "<select><option>standardised</select>",
        *('<input type="number" step="any" value="189736.0112">' for _ in range(2)),
        "<textarea></textarea>",
        *('<input type="number" value="1484705">' for _ in range(2)),
        '<input type="checkbox">',
    )
)
_SHOW = "html => { document.querySelector('main').innerHTML = html }"
_CUT = (
    """[...document.querySelectorAll('main input, .wide')].map(each => each.scrollWidth - each.clientWidth)"""
)
_LINES = """(() => { const text = document.querySelector('.tile .verdict span').firstChild,
    range = document.createRange(); range.setStart(text, 3); range.setEnd(text, 12);
    return range.getClientRects().length })()"""


@pytest.mark.skipif(chromium() is None, reason="no Chromium on this machine")
def test_words_targets_and_numbers_keep_their_size(committed: None) -> None:
    people = make_people()
    made = Registered(people)
    add_dataset_version(
        made.dataset,
        {"test": ("b.csv", stored(people.organisation, b"a,b\n1,3\n"))},
        DataDescription(),
        by=people.engineer,
    )
    DatasetVersion.unscoped.update(state=IntakeState.READY)
    with served() as address, browser() as chrome:
        context = chrome.new_context(base_url=address, viewport={"width": 360, "height": 800})
        sign_in(context, address, people.engineer)
        page = context.new_page()
        page.goto(made.url("dataset", made.dataset))
        boxes = [link.bounding_box() for link in page.locator("td a").all()]
        assert len(boxes) == 3
        assert all(box["width"] >= 24 and box["height"] >= 24 for box in boxes), boxes
        page.evaluate(_SHOW, _TILES)
        assert page.evaluate(_LINES) == 1, "the word is in one piece"
        page.set_viewport_size({"width": 1280, "height": 800})
        page.evaluate(_SHOW, f'<div class="card wide"><table class="signature">{_NUMBERS}</table></div>')
        assert max(page.evaluate(_CUT)) <= 0
