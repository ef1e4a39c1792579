"""Every report in a real browser, wide and narrow, light and dark: axe finds nothing."""

import re
import shutil
from dataclasses import replace

import pytest
from playwright.sync_api import sync_playwright

from backbeat.reproduce import page as reproduction
from backbeat.runs.contenders import compare_runs, write_comparison
from backbeat.runs.scoring import evaluate_run, write_evaluation
from browsers import launch
from made_features import made_run, small_spec
from made_reproduction import made_all
from made_reproduction import made_run as made_result

pytestmark = pytest.mark.slow
KINDS = ("run", "leaking", "folds", "comparison", "reproduction", "scaled", "splits")


@pytest.fixture(scope="module")
def pages(run, leaking, store, tmp_path_factory):
    """A report of each kind, by its name."""
    folder = tmp_path_factory.mktemp("reports")
    found = {}
    for kind, own in (("run", run), ("leaking", leaking), ("folds", run)):
        copy = shutil.copytree(own, folder / kind)
        evaluated = evaluate_run(copy)
        if kind == "folds":
            evaluated = replace(evaluated, folds=(0.5, 0.75, 1.0), history=())
        found[kind] = write_evaluation(copy, evaluated)
    other = made_run(store, folder / "other", spec=small_spec(name="other", epochs=1))
    found["comparison"] = folder / "compare.html"
    write_comparison(found["comparison"], *compare_runs([run, other]))
    found["reproduction"] = reproduction.write(made_all(folder / "whole"))[0]
    made_result(folder / "part", "mlp_27", 0.5)
    found["scaled"] = reproduction.write(folder / "part")[0]
    for protocol in ("slices", "artists"):
        made_result(folder / "splits" / protocol, "mlp_27", 0.5, protocol=protocol)
    found["splits"] = reproduction.write_splits(folder / "splits", ("slices", "artists"))
    return found


@pytest.fixture(scope="module")
def browser():
    with sync_playwright() as playwright:
        chromium = launch(playwright)
        yield chromium
        chromium.close()


@pytest.mark.parametrize(("width", "scheme"), [(390, "light"), (1280, "dark")])
@pytest.mark.parametrize("kind", KINDS)
def test_axe_finds_nothing_and_nothing_runs_over_the_edge(pages, browser, kind, width, scheme):
    axe = pytest.importorskip("axe_playwright_python.sync_playwright", reason="of the extra dev")
    page = browser.new_page(viewport={"width": width, "height": 800}, color_scheme=scheme)
    page.goto(pages[kind].as_uri())
    found = axe.Axe().run(page).response["violations"]
    page_width = page.evaluate("document.documentElement.scrollWidth")
    # Whatever can be moved sideways can be reached by the keyboard, and has a name.
    lost = page.evaluate(
        """() => [...document.querySelectorAll('*')].filter(e =>
          e.scrollWidth > e.clientWidth + 1 && getComputedStyle(e).overflowX == 'auto' &&
          !(e.tabIndex == 0 && e.getAttribute('role') && e.getAttribute('aria-label'))).length"""
    )
    page.close()
    assert [(one["id"], [node["html"] for node in one["nodes"]]) for one in found] == []
    assert (page_width, lost) == (width, 0)


@pytest.mark.parametrize("kind", KINDS)
def test_paper_has_margins_and_is_used(pages, browser, kind):
    inside = (794 - 2 * 53, 1123 - 2 * 53)  # pixels of an A4 page within margins of 14 mm
    page = browser.new_page(viewport={"width": inside[0], "height": 800}, color_scheme="dark")
    page.goto(pages[kind].as_uri())
    sheets = len(re.findall(rb"/Type\s*/Page\b", page.pdf(format="A4")))
    page.emulate_media(media="print")
    height = page.evaluate("document.querySelector('main').scrollHeight")
    paper = page.evaluate("getComputedStyle(document.body).backgroundColor")
    page.close()
    # What cannot be divided leaves some of a page blank, but not half of all.
    assert height / inside[1] < sheets <= height / inside[1] / 0.7 + 1
    assert paper == "rgb(255, 255, 255)"
