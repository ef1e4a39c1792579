"""The documents: links work, nothing is missing or stale, the site needs no network."""

import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

import browsers
from backbeat import api
from backbeat.cli import app

ROOT = Path(__file__).parents[1]
DOCS = ROOT / "docs"
PAGES = sorted(DOCS.rglob("*.md"))
sys.path.insert(0, str(ROOT / "tools"))


def text(page: Path) -> str:
    """Return a page without its code, which contains no links."""
    whole = page.read_text("utf-8")
    without = re.sub(r"^(```+).*?^\1$", "", whole, flags=re.DOTALL | re.MULTILINE)
    return re.sub(r"`[^`\n]*`", "code", without)


def links(page: Path) -> list[str]:
    found = re.findall(r"\]\(([^)\s]+)\)|<img[^>]* src=\"([^\"]+)\"", text(page))
    return [a or b for a, b in found if not re.match(r"\w+:", a or b)]


def anchors(page: Path) -> set[str]:
    """Return the anchors that GitHub and the site both have."""
    whole = re.sub(r"^```.*?^```$", "", page.read_text("utf-8"), flags=re.DOTALL | re.MULTILINE)
    headings = [re.sub(r"[`*]", "", h) for h in re.findall(r"^#+ (.+)$", whole, re.MULTILINE)]
    plain = [re.sub(r"[^\w\- ]", "", heading.lower()) for heading in headings]
    github = {heading.replace(" ", "-") for heading in plain}
    site = {re.sub(r"[-\s]+", "-", heading).strip("-") for heading in plain if heading.isascii()}
    return github & site


@pytest.mark.parametrize(
    "page", [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *PAGES], ids=lambda page: page.stem
)
def test_every_link_leads_somewhere(page: Path) -> None:
    for link in links(page):
        name, _, anchor = link.partition("#")
        if anchor in ("only-light", "only-dark"):  # of the theme: for one of its colours
            anchor = ""
        target = (page.parent / name).resolve() if name else page
        assert target.exists(), link
        assert not anchor or anchor in anchors(target), link
        if page.is_relative_to(DOCS):
            assert target.is_relative_to(DOCS), f"{link}: the site ends at docs/"


def test_every_page_is_in_the_navigation() -> None:
    def pages(entries: list) -> list[str]:
        values = [value for entry in entries for value in entry.values()]
        return [p for v in values for p in (pages(v) if isinstance(v, list) else [v])]

    nav = pages(yaml.safe_load((ROOT / "mkdocs.yml").read_text("utf-8"))["nav"])
    assert sorted(nav) == [page.relative_to(DOCS).as_posix() for page in PAGES]


def test_every_picture_is_shown() -> None:
    shown = {
        (page.parent / link.partition("#")[0]).resolve() for page in PAGES for link in links(page)
    }
    pictures = {picture for picture in (DOCS / "pictures").iterdir() if picture.stem != "icon"}
    assert pictures <= shown
    for drawing in (DOCS / "pictures").glob("*.svg"):
        assert not re.search(r"@font-face|url\(['\"]?http|href=", drawing.read_text("utf-8"))


def test_the_verbs_are_as_the_command_line_says() -> None:
    import write_verbs

    assert write_verbs.PAGE.read_text("utf-8") == write_verbs.page(), "python tools/write_verbs.py"


def test_every_command_in_the_documents_is_known() -> None:
    import typer

    known = typer.main.get_command(app)
    commands = []
    for page in PAGES:
        for block in re.findall(r"```sh\n(.*?)```", page.read_text("utf-8"), flags=re.DOTALL):
            lines = block.replace("\\\n", " ").splitlines()
            commands += [
                line.split("#")[0].split() for line in lines if line.startswith("backbeat ")
            ]
    assert len(commands) > 30
    for words in commands:
        command, rest = known, words[1:]
        while hasattr(command, "commands"):
            assert rest[0] in command.commands, words
            command = command.commands[rest.pop(0)]
        options = {name for parameter in command.params for name in parameter.opts}
        assert {word for word in rest if word.startswith("-")} <= options, words


def test_the_api_is_there_in_full() -> None:
    documented = re.findall(
        r"^::: backbeat\.api\.(\w+)$", (DOCS / "api.md").read_text("utf-8"), re.MULTILINE
    )
    assert sorted(documented) == sorted(api.__all__)


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    pytest.importorskip("mkdocs", reason="the extra docs is not installed (`make docs` has it)")
    pytest.importorskip("mkdocstrings", reason="the extra docs is not installed")
    out = tmp_path_factory.mktemp("site")
    done = subprocess.run(
        [sys.executable, "-m", "mkdocs", "build", "--strict", "--site-dir", str(out)],
        cwd=ROOT,
        env={**os.environ, "NO_MKDOCS_2_WARNING": "1"},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    return out


def found_by_search(page: Any) -> bool:
    """Return whether the site's search finds a word; it loses what is typed before it is ready."""
    page.reload()
    page.locator("[data-md-component=search-query]").fill("calibration")
    page.wait_for_timeout(2000)
    return bool(page.locator(".md-search-result__link").count())


def test_the_site_builds_and_loads_nothing_from_elsewhere(site: Path) -> None:
    from playwright.sync_api import sync_playwright

    asked = []
    with sync_playwright() as playwright:
        browser = browsers.launch(playwright)
        page = browser.new_page()
        page.on("request", lambda request: asked.append(request.url))
        for name in ("index.html", "api.html", "start/student.html"):
            page.goto((site / name).as_uri())
        assert any(found_by_search(page) for _ in range(5)), "the site's search finds nothing"
        browser.close()
    assert len(asked) > 20
    assert {url.partition(":")[0] for url in asked} <= {"file", "data", "blob"}
