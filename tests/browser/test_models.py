"""Models that come without an opening, and the choice between several."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote_plus

import pytest
from playwright.sync_api import Page, Route, WebSocketRoute, expect
from transformers import GPT2Config, GPT2LMHeadModel

from tests.browser.neuroscope_page import NeuroscopePage
from tests.browser.reference import Reference
from tests.support import models
from tests.support.hub import COMMIT, Hub
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


@pytest.fixture
def large(folders: dict[str, str], tmp_path: Path) -> Path:
    """A model of 28 MB: downloads are reported every 10."""
    folder = tmp_path / "large"
    shutil.copytree(folders["gpt2"], folder)
    config = GPT2Config.from_pretrained(folder)
    config.update({"n_embd": 512, "n_head": 8, "n_layer": 2})
    GPT2LMHeadModel(config).save_pretrained(folder)
    return folder


def test_a_download_is_told_in_bytes_and_can_be_given_up(
    page: Page, large: Path, folders: dict[str, str], references: dict[str, Reference], tmp_path: Path
) -> None:
    with Hub({"somebody/large": large}) as hub:
        environment = hub.environment(tmp_path / "cache")
        offered = [folders["gpt2"], "somebody/large"]
        # Its library reads the environment when it is imported.
        server = ServerProcess(tmp_path / "stderr", offered, environment=environment, afresh=True)
        neuroscope = NeuroscopePage(page, references["gpt2"]).open(server.url)
        neuroscope.write(TEXT)
        neuroscope.shows(TEXT)
        picker = page.get_by_test_id("model-picker")
        expect(picker.locator("option").nth(1)).to_have_text("somebody/large (not loaded yet)")
        progress = page.get_by_test_id("progress")
        share = page.locator("neuro-top progress")

        # The hub keeps the second half back: that is how far it gets, and the page can be used meanwhile.
        picker.select_option("somebody/large")
        expect(progress).to_contain_text(re.compile(r"Loading somebody/large: Downloading, 1\d of 2\d MB \(\d\d %\)"))
        assert 10 < float(share.get_attribute("value") or "") < 60
        page.get_by_test_id("cancel-load").click()
        expect(progress).to_have_count(0)
        neuroscope.editor.press("ControlOrMeta+End")
        page.keyboard.type(" And 7 more.")
        neuroscope.shows(TEXT + " And 7 more.")

        hub.hurry.set()
        picker.select_option("somebody/large")
        expect(page.get_by_test_id("model-id")).to_have_text(f"somebody/large@{COMMIT[:10]}")
        neuroscope.reference = Reference(str(large))
        neuroscope.shows(TEXT + " And 7 more.")

        page.get_by_test_id("model-about").click()
        facts = page.get_by_test_id("model-about-facts").locator("dd")
        told = {fact.get_attribute("data-fact"): fact.inner_text() for fact in facts.all()}
        assert told["Revision"] == COMMIT
        assert told["Layers"] == "2"
        assert told["MLP neurons per layer"] == "2,048"
        assert told["Context"] == f"{neuroscope.reference.context} tokens"
        assert (told["Precision"], told["Device"]) == ("float32", "cpu")
        page.keyboard.press("Escape")
        expect(facts.first).to_be_hidden()
        page.close()
        server.stop()


def test_neurons_that_neuronpedia_serves_have_a_link_there(page: Page, server: ServerProcess) -> None:
    def pass_on(socket: WebSocketRoute) -> None:
        behind = socket.connect_to_server()

        def answer(message: str | bytes) -> None:
            content = json.loads(message)
            if "models" in content.get("result", {}):
                model, listed = content["result"]["model"], content["result"]["models"]
                for summary in listed:
                    if summary["id"] == model["id"]:
                        summary |= {"id": "gpt2", "title": "GPT-2 small"}
                model |= {"id": "gpt2", "revision": COMMIT, "layers": 12, "neuronsPerLayer": 3072}
            socket.send(json.dumps(content))

        behind.on_message(answer)

    page.goto(server.url)
    row = page.get_by_test_id("neuron-row").first
    expect(row).to_be_visible()
    link = page.get_by_test_id("neuronpedia")
    expect(link).to_have_count(0)  # nobody serves the embedded model

    # The address names the model: what the first page kept would ask for the one that it had.
    page.route_web_socket("**/ws", pass_on)
    page.goto(f"{server.url}?model=gpt2&layer=2&neuron=652&text=The+cat+sat")
    expect(link).to_have_attribute("href", "https://www.neuronpedia.org/gpt2-small/2/652")
    expect(link).to_have_attribute("rel", "noreferrer")
    expect(link).to_have_attribute("target", "_blank")
    expect(page.get_by_test_id("model-id")).to_contain_text("gpt2")
    expect(page.get_by_test_id("editor")).to_contain_text("The cat sat")
    expect(page.get_by_test_id("notice")).to_have_count(0)
