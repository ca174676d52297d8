"""Models that come without an opening, and the choice between several."""

from __future__ import annotations

from collections.abc import Iterator
from urllib.parse import quote_plus

import pytest
from playwright.sync_api import Page, Route, WebSocketRoute, expect

from tests.browser.neuroscope_page import NeuroscopePage
from tests.browser.reference import Reference
from tests.support import models
from tests.support.server import ServerProcess

TEXT = "The keeper counted 12 waves."


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    parent = tmp_path_factory.mktemp("models")
    return {name: str(models.make(name, parent)) for name in ("gpt2", "llama")}


@pytest.fixture(scope="module")
def server_of_two(folders: dict[str, str], tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    server = ServerProcess(tmp_path_factory.mktemp("server") / "stderr", list(folders.values()))
    yield server
    server.stop()


@pytest.fixture(scope="module")
def references(folders: dict[str, str]) -> dict[str, Reference]:
    return {name: Reference(folder) for name, folder in folders.items()}


def test_a_model_without_an_opening_shows_neurons_of_its_own(
    page: Page, server_of_two: ServerProcess, references: dict[str, Reference]
) -> None:
    neuroscope = NeuroscopePage(page, references["gpt2"]).open(server_of_two.url)
    expect(page.get_by_test_id("neuron-row")).not_to_have_count(0)
    neuroscope.write(TEXT)
    assert len(neuroscope.shows(TEXT).neurons) > 1
    # Without statistics the scale is the widest value seen, in this text or in one before it.
    neuroscope.write(TEXT * 2)
    wide = neuroscope.shows(TEXT * 2).scales
    neuroscope.write(TEXT)
    assert neuroscope.shows(TEXT).scales == wide


def test_the_model_may_be_there_before_the_opening(
    page: Page, server_of_two: ServerProcess, references: dict[str, Reference]
) -> None:
    held: list[Route] = []

    def pass_on(socket: WebSocketRoute) -> None:
        server = socket.connect_to_server()

        def answer(message: str | bytes) -> None:
            socket.send(message)
            if '"models"' in str(message) and held:
                held.pop().continue_()

        server.on_message(answer)

    page.route("**/opening.json", lambda route: held.append(route))
    page.route_web_socket("**/ws", pass_on)
    neuroscope = NeuroscopePage(page, references["gpt2"]).open(server_of_two.url)
    expect(page.get_by_test_id("neuron-row")).not_to_have_count(0)
    neuroscope.write(TEXT)
    neuroscope.shows(TEXT)


def test_changing_the_model(page: Page, server_of_two: ServerProcess, references: dict[str, Reference]) -> None:
    neuroscope = NeuroscopePage(page, references["gpt2"]).open(server_of_two.url)
    neuroscope.write(TEXT)
    neuroscope.shows(TEXT)
    picker = page.get_by_test_id("model-picker")
    options = picker.locator("option").evaluate_all("(options) => options.map(({ value }) => value)")
    assert len(options) == 2
    picker.select_option(options[1])
    expect(page.get_by_test_id("model-id")).to_have_text(options[1])
    neuroscope.reference = references["llama"]
    neuroscope.shows(TEXT)
    neuroscope.editor.press("ControlOrMeta+End")
    page.keyboard.type(" And 7 more.")
    neuroscope.shows(TEXT + " And 7 more.")

    # The palette knows the models too, and which one it is.
    page.keyboard.press("ControlOrMeta+k")
    page.keyboard.type("model")
    there = page.locator("[data-testid=palette-offer][data-id^='model.']")
    expect(there).to_have_count(2)
    expect(there.filter(has_text=options[1])).to_contain_text("✓")
    there.filter(has_text=options[0]).click()
    expect(page.get_by_test_id("model-id")).to_have_text(options[0])
    neuroscope.reference = references["gpt2"]
    neuroscope.shows(TEXT + " And 7 more.")


def test_a_link_brings_its_model(page: Page, server_of_two: ServerProcess, references: dict[str, Reference]) -> None:
    neuroscope = NeuroscopePage(page, references["llama"])
    page.goto(server_of_two.url)
    models = page.get_by_test_id("model-picker").locator("option")
    expect(models).to_have_count(2)
    llama = models.nth(1).get_attribute("value")
    page.goto(f"{server_of_two.url}?model={llama}&text={quote_plus(TEXT)}&layer=1&neuron=7&layer=0&neuron=3")
    expect(page.get_by_test_id("model-id")).to_have_text(llama or "")
    assert neuroscope.shows(TEXT, neurons=["L1N7", "L0N3"]).focus == "L1N7"
    page.reload()
    expect(page.get_by_test_id("model-id")).to_have_text(llama or "")
    neuroscope.shows(TEXT, neurons=["L1N7", "L0N3"])


def test_neurons_that_a_model_lacks_come_back(
    page: Page, server_of_two: ServerProcess, references: dict[str, Reference]
) -> None:
    neuroscope = NeuroscopePage(page, references["gpt2"]).open(server_of_two.url)
    neuroscope.write(TEXT)
    opened = neuroscope.shows(TEXT).neurons
    page.get_by_test_id("add-neuron").fill("L1N100, L2N7")
    page.get_by_test_id("add-neuron").press("Enter")
    neuroscope.shows(TEXT, neurons=[*opened, "L1N100", "L2N7"])
    neuroscope.row("L1N100").get_by_test_id("neuron-name").click()
    gpt2, llama = (
        page.get_by_test_id("model-picker")
        .locator("option")
        .evaluate_all("(options) => options.map(({ value }) => value)")
    )

    page.get_by_test_id("model-picker").select_option(llama)
    expect(page.get_by_test_id("model-id")).to_have_text(llama)
    neuroscope.reference = references["llama"]
    assert neuroscope.shows(TEXT, neurons=[*opened, "L2N7"]).focus != "L1N100"
    expect(page.get_by_test_id("absent-neuron")).to_contain_text("L1N100")
    expect(page.get_by_test_id("notice")).to_contain_text("1 neuron is not in this model: L1N100")

    page.get_by_test_id("model-picker").select_option(gpt2)
    expect(page.get_by_test_id("model-id")).to_have_text(gpt2)
    neuroscope.reference = references["gpt2"]
    assert neuroscope.shows(TEXT, neurons=[*opened, "L1N100", "L2N7"]).focus == "L1N100"
    expect(page.get_by_test_id("absent-neuron")).to_have_count(0)
    expect(page.get_by_test_id("notice")).to_have_count(0)
