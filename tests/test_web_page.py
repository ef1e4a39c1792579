"""The page in a real browser, served by a real server: what people do with it."""

import base64
import csv
import io
import re
import time

import pytest
from playwright.sync_api import expect, sync_playwright

from backbeat import classify
from backbeat.files.text import probability
from browsers import CONTRASTS, chromium, launch
from servers import serving
from sounds import music, write

pytestmark = pytest.mark.slow
SECONDS = 30_000  # for an answer, in ms: CI's machines are slow
ELSEWHERE = {
    "fetch": "() => { fetch('http://localhost:9/fetch').catch(() => { window.refused = true }) }",
    "img": """() => {
      const image = new Image();
      image.onerror = () => { window.refused = true };
      image.src = 'http://localhost:9/img';
    }""",
}
DESKTOP, PHONE = {"width": 1280, "height": 900}, {"width": 390, "height": 844}


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    chromium()
    with serving(tmp_path_factory.mktemp("server"), "--megabytes", 3, "--minutes", 0.5) as served:
        yield served


@pytest.fixture(scope="module")
def browser():
    chromium()
    with sync_playwright() as playwright:
        browser = launch(playwright)
        yield browser
        browser.close()


@pytest.fixture(scope="module")
def asked():
    """Every address that any page asked for, to be looked at in the end."""
    return []


@pytest.fixture
def visit(browser, server, asked):
    """Open the page as a new visitor, with the wanted screen and scheme of colours."""
    contexts, errors = [], []

    def visit(screen=DESKTOP, scheme="light", place="/"):
        context = browser.new_context(viewport=screen, color_scheme=scheme)
        contexts.append(context)
        context.on("request", lambda request: asked.append(request.url))
        context.set_default_timeout(SECONDS)
        page = context.new_page()
        page.on("pageerror", lambda error: errors.append(str(error)))
        # From the start: turned on as a key is pressed, it may come too late for the dialogue.
        page.on("filechooser", lambda _: None)
        page.goto(server.address + place)
        if place == "/":
            expect(page.locator("#record .record-button")).to_be_visible(timeout=SECONDS)
        return page

    yield visit
    for context in contexts:
        context.close()
    assert errors == []


@pytest.fixture(scope="module")
def sounds(tmp_path_factory):
    """A wav and an mp3 that can be answered, and files that cannot."""
    folder = tmp_path_factory.mktemp("sounds")
    write(folder / "a.wav", music(9.0, seed=1))
    write(folder / "b.mp3", music(21.0, seed=4))
    write(folder / "long.mp3", music(40.0))
    (folder / "notes.txt").write_text("these are words")
    (folder / "large.wav").write_bytes(b"RIFF" + b"\0" * 4_000_000)
    return folder


@pytest.fixture(scope="module")
def classifier():
    return classify.load("gtzan")


def give(page, path, place="#song"):
    page.set_input_files(f"{place} input[type=file]", path)


def answered(page, name):
    """Wait for the answer to a file; gives the part of the page that holds it."""
    answer = page.locator(".bb-answer", has_text=name)
    expect(answer).to_be_visible(timeout=SECONDS)
    return answer


def drop(page, path):
    """Drop a file as a mouse does."""
    held = page.evaluate_handle(
        """([bytes, name]) => {
          const held = new DataTransfer();
          const content = Uint8Array.from(atob(bytes), (c) => c.charCodeAt(0));
          held.items.add(new File([content], name, { type: "audio/wav" }));
          return held;
        }""",
        [base64.b64encode(path.read_bytes()).decode(), path.name],
    )
    for kind in ("dragenter", "dragover", "drop"):
        page.dispatch_event("#song button", kind, {"dataTransfer": held})


def test_a_song_dropped_is_answered_and_its_moments_are_heard(visit, sounds, classifier, server):
    page = visit()
    drop(page, sounds / "a.wav")
    answer = answered(page, "a.wav")
    known = classifier.classify(sounds / "a.wav")
    assert known.verdict == "out of genre"  # a chord over noise is no music
    expect(answer.locator(".bb-label")).to_have_text("out of genre")
    expect(answer.locator(".bb-verdict")).to_contain_text(
        f"likeliest genre is {known.genre} ({probability(known.probability)})"
    )
    shown = answer.locator(".bb-ranking").first.locator(".bb-genre").all_inner_texts()
    assert shown == [genre for genre, _ in known.ranking[:5]]
    pictures = answer.locator(".bb-picture")
    expect(pictures).to_have_count(3)
    for picture in pictures.locator("img").all():
        assert picture.evaluate("img => img.complete && img.naturalWidth > 100")
    # The last third of the timeline: played from there on, and described.
    player = answer.locator("audio")
    expect(player).to_be_visible()
    page.wait_for_function("document.querySelector('.bb-player').readyState > 0")
    box = answer.locator(".bb-lanes").bounding_box()
    page.mouse.click(box["x"] + 0.9 * box["width"], box["y"] + box["height"] / 2)
    last = known.timeline[-1]
    said = f"0:06 to 0:09: {last.genre}, {probability(last.probability)}"
    expect(answer.locator(".bb-moment")).to_have_text(said)
    assert player.evaluate("audio => audio.currentTime") >= 8.0
    assert server.left() == {}  # yet it is played: from the browser's own memory


def test_an_mp3_chosen_is_answered(visit, sounds, classifier):
    page = visit(PHONE, "dark")
    page.check("#tags input")
    with page.expect_file_chooser() as chooser:
        page.click("#song button")
    chooser.value.set_files(sounds / "b.mp3")
    answer = answered(page, "b.mp3")
    known = classifier.classify(sounds / "b.mp3")
    expect(answer.locator(".bb-label")).to_contain_text(known.label)
    assert answer.locator(".bb-lane i").count() == len(known.timeline)
    assert answer.locator(".bb-tags li").count() == 8


def test_what_cannot_be_answered_is_told_in_a_line(visit, sounds, server):
    page = visit()
    refusal = page.locator(".bb-refusal:visible")
    give(page, sounds / "notes.txt")
    expect(refusal).to_contain_text("notes.txt: not audio", timeout=SECONDS)
    give(page, sounds / "long.mp3")
    expect(refusal).to_contain_text(
        "long.mp3: too long (0.7 minutes); at most 0.5 minutes", timeout=SECONDS
    )
    assert refusal.get_attribute("role") == "alert"
    for way in (give, drop):
        way(page, sounds / "large.wav")
        expect(refusal.first).to_contain_text(
            "large.wav: too large; at most 3 MB are accepted here"
        )
        give(page, sounds / "notes.txt")
        expect(refusal).to_have_count(1)
    give(page, sounds / "a.wav")  # and the next is answered as if nothing had been
    answered(page, "a.wav")
    expect(refusal).to_have_count(0)
    assert server.left() == {}


def test_two_at_once_are_each_answered(visit, sounds, classifier):
    one, two = visit(), visit()
    give(one, sounds / "a.wav")
    give(two, sounds / "b.mp3")
    for page, name in ((one, "a.wav"), (two, "b.mp3")):
        known = classifier.classify(sounds / name)
        answer = answered(page, name)
        numbers = answer.locator(".bb-ranking").first.locator(".bb-number").all_inner_texts()
        assert numbers == [probability(p) for _, p in known.ranking[:5]]


def test_the_same_song_of_two_visitors(visit, sounds, server):
    one, two = visit(), visit()
    give(one, sounds / "b.mp3")
    give(two, sounds / "b.mp3")
    answered(one, "b.mp3")
    answered(two, "b.mp3")
    assert server.left() == {}


def test_many_files_become_a_table(visit, sounds, classifier, server):
    page = visit()
    page.get_by_role("tab", name="Many songs").click()
    names = ("a.wav", "b.mp3", "notes.txt")
    give(page, [sounds / name for name in names], "#songs")
    with page.expect_download(timeout=SECONDS) as download:
        page.get_by_role("link", name="Download as CSV").click()
    assert download.value.suggested_filename == "genres.csv"
    rows = list(csv.DictReader(io.StringIO(download.value.path().read_text("utf-8-sig"))))
    assert [row["path"] for row in rows] == list(names)
    known = classifier.classify(sounds / "b.mp3")
    assert rows[1]["probability"] == f"{known.probability:.4f}"
    assert rows[2]["error"].startswith("not audio")
    table = page.get_by_role("table")
    assert table.get_by_role("row").count() == 4
    expect(page.locator("#table")).to_contain_text("2 answered, 1 failed")
    assert server.left() == {}


def test_a_folder_is_answered_but_for_what_is_no_audio(visit, sounds, tmp_path):
    (tmp_path / "album" / "cd 1").mkdir(parents=True)
    (tmp_path / "album" / "cover.jpg").write_bytes(b"picture")
    (tmp_path / "album" / "cd 1" / "x.wav").write_bytes((sounds / "a.wav").read_bytes())
    page = visit()
    page.get_by_role("tab", name="Many songs").click()
    with page.expect_file_chooser() as chooser:
        page.get_by_role("button", name="Or choose a folder").click()
    chooser.value.set_files(tmp_path / "album")
    expect(page.locator("#table")).to_contain_text("1 answered, 0 failed", timeout=SECONDS)
    expect(page.get_by_role("rowheader")).to_have_text("x.wav")


def test_by_keyboard_alone(visit, sounds):
    page = visit()

    def tab_to(wanted):
        for _ in range(40):
            page.keyboard.press("Tab")
            if page.evaluate(f"document.activeElement.matches({wanted!r})"):
                outline = page.evaluate("getComputedStyle(document.activeElement).outlineWidth")
                assert outline == "3px"  # one sees where one is
                return
        pytest.fail(f"{wanted} is not reached")

    tab_to("#song button")
    with page.expect_file_chooser() as chooser:
        page.keyboard.press("Enter")
    chooser.value.set_files(sounds / "a.wav")
    answer = answered(page, "a.wav")
    expect(answer).to_be_focused()  # the answer is read aloud
    page.wait_for_function("document.querySelector('.bb-player').readyState > 0")
    tab_to(".bb-lanes")
    page.keyboard.press("End")
    lanes = answer.locator(".bb-lanes")
    assert lanes.get_attribute("aria-valuenow") == lanes.get_attribute("aria-valuemax") == "3"
    page.keyboard.press("ArrowLeft")
    assert lanes.get_attribute("aria-valuetext").startswith("0:03 to 0:06: ")
    page.keyboard.press("Enter")
    assert answer.locator("audio").evaluate("audio => audio.currentTime") >= 3.0


def test_a_record_from_the_microphone(visit):
    page = visit(PHONE)
    page.click("#record .record-button")
    expect(page.locator("#record .stop-button")).to_be_visible()
    time.sleep(4.0)  # this is how long it records; the model needs 3 s
    page.click("#record .stop-button")
    answer = answered(page, "audio.wav")
    expect(answer.locator("audio")).to_be_visible()


def test_the_model_is_described(visit):
    page = visit()
    heading = page.locator("h1").first
    before = heading.bounding_box()
    page.get_by_role("tab", name="The model").click()
    card = page.locator("#card")
    expect(card).to_contain_text("What it is not")
    expect(card).to_contain_text("77.8 %")
    assert heading.bounding_box() == before  # the page does not jump


def test_contrast_is_measured_as_wcag_does(browser):
    page = browser.new_page()
    page.set_content(
        """<body style="background: #000"><p style="color: #fff">strong</p>
        <div style="background: rgba(255, 255, 255, 0.5)"><p style="color: #777">pale</p></div>
        <p style="color: #000; opacity: 0">gone</p></body>"""
    )
    found = {text: round(contrast, 2) for contrast, text in page.evaluate(CONTRASTS)}
    assert found == {"strong": 21.0, "pale": 1.13}  # half of white on black is #808080
    page.close()


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("screen", [DESKTOP, PHONE], ids=["desktop", "phone"])
def test_it_is_legible(visit, sounds, screen, scheme):
    page = visit(screen, scheme)
    give(page, sounds / "notes.txt")
    expect(page.locator(".bb-refusal:visible")).to_be_visible(timeout=SECONDS)
    legible(page)
    give(page, sounds / "a.wav")
    answered(page, "a.wav")
    page.click(".bb-answer summary")
    legible(page)
    page.get_by_role("tab", name="Many songs").click()
    give(page, [sounds / "a.wav", sounds / "notes.txt"], "#songs")
    expect(page.locator(".bb-download")).to_be_visible(timeout=SECONDS)
    legible(page)
    page.get_by_role("tab", name="The model").click()
    legible(page)
    page.goto(page.url + "docs")
    legible(page)


def legible(page):
    """Nothing is paler than WCAG's 4.5 to 1, and nothing must be pushed sideways to be read."""
    # Gradio fades what changes.
    page.wait_for_function(
        "document.getAnimations().every((one) => one.playState !== 'running')", timeout=SECONDS
    )
    contrasts = page.evaluate(CONTRASTS)
    assert len(contrasts) > 8
    pale = [(round(contrast, 2), text) for contrast, text in contrasts if contrast < 4.5]
    assert pale == []
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")


def test_nothing_was_asked_of_another_machine(visit, server, asked):
    """The last: all that the pages of all tests above asked for."""
    page = visit(place="/docs")
    expect(page.get_by_role("heading", name="backbeat: HTTP API")).to_be_visible()
    here = re.compile(rf"(blob:)?{re.escape(server.address)}/|data:|chrome-error:")
    assert len(asked) > 50
    assert [address for address in asked if not here.match(address)] == []


def test_a_browser_that_is_told_to_go_elsewhere_does_not(visit, server):
    page = visit()
    refused = {}
    page.on("requestfailed", lambda request: refused.update({request.url: request.failure}))
    for place in ("fetch", "img"):
        page.evaluate(ELSEWHERE[place])
        page.wait_for_function("window.refused === true")
        page.evaluate("window.refused = false")
    assert refused == {"http://localhost:9/img": "csp"}  # a fetch does not even become a request
