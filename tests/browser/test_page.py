"""The emulator's page in a real browser: it hears, it shows, it can be used by everybody, and nobody misuses it.

They run only if they are asked for, with ``EVENTSTREAM_BROWSER=1``, as `make browser` does.
"""

from __future__ import annotations

import os
import re
import time
import wave
from pathlib import Path

import pytest

if not os.environ.get("EVENTSTREAM_BROWSER"):
    pytest.skip("a browser is started with EVENTSTREAM_BROWSER=1 only: make browser", allow_module_level=True)

from playwright.sync_api import Error, expect

import eventstream

CONVERSATION = """
@speaker 0
@confidence 0.98
Good morning.
@pause 0.3
@speaker 1
@confidence 0.61
How are [ewe|you]?
"""

SPEECH = Path(__file__).resolve().parents[2] / "examples/speech.wav"
STATE = "#status[data-state={}]"


def words(text):
    return re.findall(r"[a-z']+", text.lower())


def finish(page, state="done"):
    """Wait for the end of the stream."""
    page.locator(STATE.format(state)).wait_for()


def test_microphone_is_transcribed(chromium, emulator_for, visit, tmp_path):
    """Chromium plays a recording to its microphone, once, from the moment on that it is opened; people begin later."""
    pytest.importorskip("moonshine_voice")
    recording = tmp_path / "speech.wav"
    with wave.open(str(SPEECH)) as speech, wave.open(str(recording), "wb") as file:
        file.setparams(speech.getparams())
        file.writeframes(bytes(speech.getframerate()) + speech.readframes(speech.getnframes()))
    browser = chromium(
        "--use-fake-ui-for-media-stream",
        "--use-fake-device-for-media-stream",
        f"--use-file-for-fake-audio-capture={recording}%noloop",
    )
    with emulator_for("--recogniser", "moonshine") as emulator, visit(emulator.page, browser=browser) as page:
        page.get_by_role("button", name="Speak").click()
        expect(page.locator(".partial")).to_contain_text(re.compile("might", re.IGNORECASE))
        page.wait_for_timeout(2500)
        page.get_by_role("button", name="Stop").click()
        finish(page)
        assert words(" ".join(page.locator(".caption .words").all_inner_texts())) == (
            ["he", "might", "even", "have", "been", "made", "amiable", "himself"]
        )
        expect(page.locator(".partial")).to_have_count(0)
        expect(page.locator(".confidence")).to_have_count(0)  # this recogniser gives none
    browser.close()


HEARD = """() => {
  window.heard = [];
  const partials = document.getElementById("partials");
  const watch = new MutationObserver(() => window.heard.push(partials.innerText));
  watch.observe(partials, { childList: true, subtree: true });
}"""


def test_file_becomes_captions_as_it_plays(scripted, visit, wav):
    with scripted(CONVERSATION) as emulator, visit(emulator.page) as page:
        page.evaluate(HEARD)
        page.get_by_label("Speakers and channels").select_option("Tell speakers apart")
        begun = time.monotonic()
        page.get_by_label("Choose a file").set_input_files(wav(1.8))
        finish(page)
        assert time.monotonic() - begun > 1.6
        heard = list(dict.fromkeys(page.evaluate("window.heard")))
        assert heard == ["Good", "Good morning", "", "How", "How are", "How are ewe"]
        first, second = page.locator(".caption").all()
        assert re.split(r"\n+", first.inner_text()) == ["0:00.0 – 0:00.6", "98% sure", "Speaker 0", "Good morning."]
        assert re.split(r"\n+", second.inner_text()) == ["0:00.9 – 0:01.8", "61% sure", "Speaker 1", "How are you?"]
        assert second.locator(".unsure").all_inner_texts() == ["How", "are", "you"]
        assert second.get_by_title("0.90–1.20 s, 61% sure").inner_text() == "How"
        assert page.locator("#sent").inner_text() == "0:01.8 of 0:01.8"


def test_channels_of_a_stereo_file(scripted, visit, wav):
    with scripted("One two.") as emulator, visit(emulator.page) as page:
        page.get_by_label("Speakers and channels").select_option("Each channel of a stereo file")
        page.get_by_label("Choose a file").set_input_files(wav(0.6, 2))
        finish(page)
        assert sorted(page.locator(".channel").all_inner_texts()) == ["Channel 0", "Channel 1"]
        page.get_by_label("Choose a file").set_input_files(wav(0.6, 1))
        expect(page.get_by_role("alert")).to_contain_text("has one channel, not two")


def test_frames_are_shown_byte_by_byte(emulator, visit, wav):
    with visit(emulator.page) as page:
        page.get_by_label("Choose a file").set_input_files(wav(0.5))
        finish(page)
        sent, received = page.locator("#list .sent"), page.locator("#list .received")
        assert sent.count() == 6
        assert received.count() >= 5
        assert re.fullmatch(r"6 sent, \d+ received", page.locator("#counts").inner_text())
        end = eventstream.encode(
            {":content-type": "application/octet-stream", ":event-type": "AudioEvent", ":message-type": "event"}
        )
        sent.nth(5).click()
        assert bytes.fromhex(page.locator(".bytes").inner_text()) == end
        rows = page.locator(".parts tbody tr")
        assert [row.split("\t") for row in rows.all_inner_texts()][:3] == [
            ["0–3", "Total length", "104 bytes"],
            ["4–7", "Headers length", "88 bytes"],
            ["8–11", "Prelude checksum", f"0x{end[8:12].hex()} ✓"],
        ]
        rows.nth(3).locator("th").hover()
        assert "".join(page.locator(".bytes .marked").all_inner_texts()).replace(" ", "") == end[12:53].hex()
        sent.nth(0).click()
        assert page.locator(".waveform").count() == 1
        page.get_by_role("button", name="and 3,072 more").click()
        assert len(bytes.fromhex(page.locator(".bytes").inner_text())) == 3304
        page.get_by_label("Sent", exact=True).uncheck()
        expect(sent.nth(0)).to_be_hidden()
        page.get_by_role("button", name="Follow").click()
        assert page.locator("#list [aria-selected=true]").get_attribute("id") == f"received-{received.count()}"
        assert '"Results"' in page.locator(".json").inner_text()


def test_frames_are_kept_up_to_a_number(emulator, visit):
    """More than an hour's worth: only the newest ones are kept, and what is open stays open."""
    with visit(emulator.page) as page:
        kept, limit, shown = page.evaluate(
            """async () => {
                const { Inspector, MAX_FRAMES } = await import("/inspector.js");
                const { encode, open } = await import("/frames.js");
                const inspector = new Inspector();
                inspector.clear();
                const opened = open(encode([[":event-type", "string", "AudioEvent"]], new Uint8Array(320)));
                for (let number = 0; number < MAX_FRAMES + 100; number++) inspector.add(true, opened);
                const counts = document.getElementById("counts").innerText;
                return [document.getElementById("list").children.length, MAX_FRAMES, counts];
            }"""
        )
        assert kept == limit == 500
        assert shown == "600 sent, 0 received, the newest 500 listed"


def test_keyboard_does_everything(scripted, visit, wav):
    with scripted("One two three.") as emulator, visit(emulator.page) as page:
        focus = page.locator(":focus")
        page.on("filechooser", lambda chooser: None)  # so that none opens unseen from here on

        def tab_to(selector):
            for _ in range(40):
                page.keyboard.press("Tab")
                if page.locator(f"{selector}:focus").count():
                    return
            raise AssertionError(f"the focus does not come to {selector}")

        tab_to("#speak")
        page.keyboard.press("Space")
        page.locator(STATE.format("listening")).wait_for()
        expect(page.locator(".caption").first).to_contain_text("One two three.")
        page.keyboard.press("Enter")
        finish(page)
        tab_to("#file")
        with page.expect_file_chooser() as chooser:
            page.keyboard.press("Enter")
        chooser.value.set_files(wav(0.5))
        page.locator(STATE.format("sending")).wait_for()
        finish(page)
        tab_to("#list")
        page.keyboard.press("Home")
        selected = page.locator("#list [aria-selected=true]")
        assert selected.evaluate("option => option === option.parentNode.firstChild")
        expect(page.locator("#detail h3")).to_contain_text(", number 1, ")
        page.keyboard.press("ArrowDown")
        assert selected.count() == 1
        assert page.locator("#list").get_attribute("aria-activedescendant") == selected.get_attribute("id")
        assert selected.evaluate("option => option === option.parentNode.children[1]")
        page.keyboard.press("End")
        assert selected.evaluate("option => option === option.parentNode.lastChild")
        tab_to(".parts tr")
        assert page.locator(".bytes .marked").count() == 1
        outline = focus.evaluate("element => getComputedStyle(element).outlineStyle")
        assert outline != "none"


def test_screen_readers_are_told(emulator, visit, wav):
    """Captions and the state are read out when they come; what still changes is not."""
    with visit(emulator.page) as page:
        log = page.get_by_role("log", name="Captions")
        assert log.get_attribute("aria-live") == "polite"
        assert log.locator("#captions").count() == 1
        assert page.locator("#partials").get_attribute("aria-live") is None
        expect(page.get_by_role("status")).to_have_text("Ready")
        page.get_by_label("Choose a file").set_input_files(wav(0.3))
        finish(page)
        expect(page.get_by_role("status")).to_have_text("Done")
        nameless = page.evaluate(
            """() => [...document.querySelectorAll("button, input, select, [role=listbox], [role=img], section")]
                .filter((found) => !found.innerText && !found.labels?.length)
                .filter((found) => !found.ariaLabel && !found.getAttribute("aria-labelledby"))
                .map((found) => found.outerHTML)"""
        )
        assert nameless == []
        assert page.locator("html[lang=en]").count() == 1


def test_width_is_never_exceeded(scripted, visit, wav):
    def check():
        for width in (320, 390, 768, 1280):
            page.set_viewport_size({"width": width, "height": 800})
            assert page.evaluate("document.documentElement.scrollWidth") == width

    with scripted(f"{'Donaudampfschifffahrt' * 8} two.") as emulator, visit(emulator.page) as page:
        check()
        page.get_by_label("Choose a file").set_input_files(wav(0.7))
        finish(page)
        check()
        page.locator("#list .sent").first.click()
        check()


TOO_WIDE = """() => [...document.querySelectorAll(".detail *")]
    .filter((pane) => getComputedStyle(pane).overflowY === "auto" && pane.scrollWidth > pane.clientWidth)
    .map((pane) => [pane.className, pane.scrollWidth, pane.clientWidth])"""


def test_bytes_are_never_wider_than_their_pane(emulator, visit, wav):
    with visit(emulator.page) as page:
        page.get_by_label("Choose a file").set_input_files(wav(0.3))
        finish(page)
        for frame in (page.locator("#list .sent").first, page.locator("#list .received").last):
            frame.click()
            for width in (360, 900, 1000, 1200, 1290, 1300, 1310, 1366, 1600):
                page.set_viewport_size({"width": width, "height": 900})
                assert page.evaluate(TOO_WIDE) == [], width


CONTRAST = """() => {
  const channels = (colour) => colour.match(/[\\d.]+/g).map(Number);
  const luminance = (colour) => {
    const linear = (value) => (value <= 0.04045 ? value / 12.92 : ((value + 0.055) / 1.055) ** 2.4);
    const [r, g, b] = channels(colour).map((value) => linear(value / 255));
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const background = (element) => {
    for (; element; element = element.parentElement) {
      const colour = getComputedStyle(element).backgroundColor;
      if (channels(colour)[3] !== 0) return colour;
    }
    return "rgb(255, 255, 255)";
  };
  const found = [];
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (walker.nextNode()) {
    const element = walker.currentNode.parentElement;
    const text = walker.currentNode.data.trim();
    if (!text || !element.checkVisibility()) continue;
    const [high, low] = [getComputedStyle(element).color, background(element)].map(luminance).sort((a, b) => b - a);
    found.push([(high + 0.05) / (low + 0.05), element.closest("[class]")?.className, text.slice(0, 30)]);
  }
  return found;
}"""


GROWING = """async () => {
  const { Captions } = await import("/captions.js");
  new Captions().show([{ ResultId: "1", IsPartial: true, Alternatives: [{ Transcript: "Still growing" }] }]);
}"""


def test_contrast_is_enough_in_light_and_dark(scripted, visit, wav):
    """WCAG 2 asks for 4.5 to 1 in all text."""
    script = "@confidence 0.6\nOne two.\n@speaker 1\nThree four.\n@error LimitExceededException No."
    texts = []

    def check():
        for scheme, ground in (("light", "rgb(246, 245, 241)"), ("dark", "rgb(20, 23, 26)")):
            page.emulate_media(color_scheme=scheme)
            assert page.locator("body").evaluate("body => getComputedStyle(body).backgroundColor") == ground
            texts.extend([scheme, *text] for text in page.evaluate(CONTRAST))

    with scripted(script) as emulator, visit(emulator.page) as page:
        page.get_by_label("Speakers and channels").select_option("Tell speakers apart")
        page.get_by_label("Choose a file").set_input_files(wav(2))
        finish(page, "failed")
        check()
        page.evaluate(GROWING)
        page.locator("#list .sent").first.click()
        check()
    assert len(texts) > 200
    assert {"details", "unsure", "speaker", "partial", "at"} <= {name for _, _, name, _ in texts}
    assert [text for text in texts if text[1] < 4.5] == []


def test_error_of_the_service_is_shown(scripted, visit, wav):
    with scripted("One two.\n@error LimitExceededException Come back later.") as emulator:  # noqa: SIM117
        with visit(emulator.page) as page:
            page.get_by_label("Choose a file").set_input_files(wav(2))
            finish(page, "failed")
            alert = page.get_by_role("alert")
            expect(alert).to_contain_text("The service has no room for this stream now. Try again later.")
            expect(alert).to_contain_text("LimitExceededException: Come back later.")
            expect(page.locator("#list .received").last).to_contain_text("Come back later.")
            expect(page.get_by_role("button", name="Speak")).to_be_enabled()


@pytest.mark.parametrize(
    ("fault", "sentence", "details"),
    [
        ("bad-crc@3", "The service sent a damaged frame, so the stream was given up.", "MessageChecksumMismatch: "),
        ("truncate@3", "The connection was lost in the middle of a frame.", "closed with code "),
        ("early-end@3", "The service ended the stream before the audio had ended.", "closed with code 1000"),
        ("exception:InternalFailureException@3", "The service failed. Try again.", "InternalFailureException: "),
    ],
)
def test_faults_of_the_service_are_told_apart(emulator_for, visit, wav, fault, sentence, details):
    with emulator_for(f"--fault={fault}") as emulator, visit(emulator.page) as page:
        page.get_by_label("Choose a file").set_input_files(wav(2))
        finish(page, "failed")
        assert page.get_by_role("alert").locator("p").first.inner_text() == sentence
        assert page.get_by_role("alert").locator(".details").inner_text().startswith(details)
        assert page.locator("#list .bad").count() == (fault == "bad-crc@3")


def test_lost_connection_is_shown(emulator_for, visit, wav):
    with emulator_for() as emulator:  # noqa: SIM117
        with visit(emulator.page, expected="ERR_CONNECTION_REFUSED") as page:
            page.get_by_label("Choose a file").set_input_files(wav(5))
            page.locator("#list .received").first.wait_for()
            emulator.process.kill()
            finish(page, "failed")
            expect(page.get_by_role("alert")).to_contain_text("The connection to the emulator was lost.")
            page.get_by_label("Choose a file").set_input_files(wav(1))
            expect(page.get_by_role("alert")).to_contain_text("The emulator does not answer. Is it still running?")


@pytest.mark.parametrize("name", ["no-audio.wav", "empty.wav"])
def test_files_that_are_no_audio_are_refused(emulator, visit, tmp_path, name):
    file = tmp_path / name
    file.write_bytes(b"" if name == "empty.wav" else b"RIFF no audio at all")
    with visit(emulator.page) as page:
        page.get_by_label("Choose a file").set_input_files(file)
        expect(page.get_by_role("alert")).to_contain_text(f"The browser cannot read audio from {name}.")


def test_microphone_that_is_denied_is_explained(chromium, emulator, visit):
    browser = chromium("--deny-permission-prompts")
    with visit(emulator.page, browser=browser) as page:
        page.get_by_role("button", name="Speak").click()
        expect(page.get_by_role("alert")).to_contain_text(re.compile("microphone"))
        finish(page, "failed")
    browser.close()


def test_markup_in_a_transcript_is_text(scripted, visit, wav):
    script = "<img src=x onerror=alert(1)> <script>alert(2)</script> three.\n@error Code <i onclick=alert(3)>gone</i>"
    with scripted(script) as emulator, visit(emulator.page) as page:
        page.on("dialog", lambda dialog: pytest.fail(dialog.message))
        page.get_by_label("Choose a file").set_input_files(wav(3))
        finish(page, "failed")
        expect(page.locator(".caption .words")).to_have_text(re.compile(r"^<img src=x onerror=alert\(1\)> <script>"))
        expect(page.get_by_role("alert")).to_contain_text("<i onclick=alert(3)>gone</i>")
        for row in page.locator("#list .received").all()[-3:]:
            row.click()
        assert page.locator("main :is(img, script, b:not(.hint b), i)").count() == 0


@pytest.mark.parametrize(
    "attack",
    [
        "document.body.innerHTML = '<img src=x onerror=\"window.broken = 1\">'",
        "const made = document.createElement('script'); made.text = 'window.broken = 1'; document.body.append(made)",
        "document.body.setAttribute('onclick', 'window.broken = 1'); document.body.click()",
        "setTimeout('window.broken = 1')",
    ],
    ids=["innerHTML", "script", "handler", "string"],
)
def test_scripts_of_others_are_stopped(emulator, visit, attack):
    """Even if a mistake in the page let them in."""
    with visit(emulator.page, expected="Trusted|Content Security Policy") as page:
        page.evaluate(f"() => {{ try {{ {attack} }} catch {{}} }}")
        page.wait_for_timeout(100)
        assert page.evaluate("window.broken") is None


# Who gets a presigned URL

ASK = """async ([url, headers]) => {
  try {
    const response = await fetch(url, { headers });
    return [response.status, await response.text()];
  } catch (error) {
    return [0, String(error)];
  }
}"""


def test_presign_is_not_for_pages_of_other_origins(chromium, emulator, visit, closed_port):
    """Nor for a page that is served by this machine, on another port. Chromium would ask its user; others do not."""
    browser = chromium("--disable-features=LocalNetworkAccessChecks")
    address = f"{emulator.page}presign?language-code=en-US"
    with visit(emulator.page, browser=browser) as page:
        status, _ = page.evaluate(ASK, [address, {"x-eventstream-page": "1"}])
        assert status == 200
    page = browser.new_page()
    for foreign in (f"http://127.0.0.1:{closed_port}/", f"http://localhost:{closed_port}/"):
        page.route(f"{foreign}*", lambda route: route.fulfill(body="<p>foreign", content_type="text/html"))
        page.goto(foreign)
        assert page.evaluate(ASK, [foreign, {}]) == [200, "<p>foreign"]
        for headers in ({"x-eventstream-page": "1"}, {}):
            status, text = page.evaluate(ASK, [address, headers])
            assert status == 0, text
    browser.close()


def test_presign_is_not_for_hosts_that_resolve_to_loopback(chromium, emulator):
    """As a name does whose owner lets it point at this machine after its page was loaded."""
    browser = chromium("--host-resolver-rules=MAP rebound.test 127.0.0.1")
    page = browser.new_page()
    rebound = emulator.page.replace("127.0.0.1", "rebound.test")
    for path in ("", "presign?language-code=en-US"):
        response = page.goto(rebound + path)
        assert response is not None
        assert response.status == 403
        assert "localhost" in response.text()
    browser.close()


def test_page_is_not_for_frames(browser, emulator):
    page = browser.new_page()
    page.set_content(f'<iframe src="{emulator.page}"></iframe>')
    page.wait_for_timeout(300)
    [frame] = page.frames[1:]
    with pytest.raises(Error):
        frame.locator("#speak").wait_for(timeout=500)
    page.close()
