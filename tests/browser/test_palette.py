"""The command palette and the help: found by a few letters, driven by keys alone, and nothing typed goes astray."""

from __future__ import annotations

from playwright.sync_api import Locator, Page, expect

from tests.browser.neuroscope_page import NeuroscopePage
from tests.browser.test_discovery import highest, keys_of, put_caret

TEXT = "The keeper counted 12 waves and wrote them down."


def offers(page: Page) -> Locator:
    return page.get_by_test_id("palette-offer")


def chosen(page: Page) -> Locator:
    """The option that the field points at."""
    option = page.get_by_test_id("palette").get_attribute("aria-activedescendant")
    found = page.locator(f"#{option}")
    expect(found).to_have_attribute("aria-selected", "true")
    return found


def enter(page: Page, query: str) -> None:
    """Open the palette, type, and take the first offer, as fast as a machine types."""
    page.keyboard.press("ControlOrMeta+k")
    page.keyboard.type(query)
    page.keyboard.press("Enter")
    expect(page.get_by_test_id("palette")).to_have_count(0)


def test_neurons_are_entered_directly(neuroscope: NeuroscopePage) -> None:
    """By name, as a range, or the strongest here; errors are shown while typing."""
    page, reference = neuroscope.page, neuroscope.reference
    neuroscope.write(TEXT)
    neuroscope.wait(TEXT)
    before = page.evaluate("neuroscope.neurons")
    enter(page, "l3n42")
    neuroscope.wait(TEXT, [*before, "L3N42"])
    enter(page, "2/40-42; 1.7")
    added = [*before, "L3N42", "L2N40", "L2N41", "L2N42", "L1N7"]
    neuroscope.wait(TEXT, added)
    assert page.evaluate("neuroscope.text") == TEXT

    # The strongest at the caret, which is where it was before the palette opened.
    token = next(i for i, one in enumerate(page.evaluate("neuroscope.tokens")) if one["to"] >= TEXT.index(" waves") + 6)
    put_caret(neuroscope, TEXT.index(" waves") + 6)
    values = reference.everything(reference.ids(TEXT))[:, token]
    strongest = keys_of(highest(values, 8))
    enter(page, "top 3 here")
    rows = [*added, *(key for key in strongest[:3] if key not in added)]
    neuroscope.wait(TEXT, rows)
    assert page.evaluate("neuroscope.focus") == strongest[0]
    page.keyboard.press("Alt+Enter")  # the next
    rows.append(next(key for key in strongest if key not in rows))
    neuroscope.shows(TEXT, neurons=rows)

    page.keyboard.press("ControlOrMeta+k")
    page.keyboard.type("l3n40-4800")
    expect(chosen(page)).to_have_attribute("aria-disabled", "true")
    expect(chosen(page)).to_contain_text("at most 256 at once")
    page.keyboard.press("Enter")
    expect(page.get_by_test_id("palette")).to_be_focused()
    page.get_by_test_id("palette").fill("L4N1")
    expect(chosen(page)).to_contain_text("layers 0 to 3")
    page.get_by_test_id("palette").fill("zzzz")
    expect(page.get_by_test_id("palette-none")).to_be_visible()
    page.keyboard.press("Escape")
    page.keyboard.type("!")
    neuroscope.wait(TEXT[:27] + "!" + TEXT[27:], rows)  # the caret is where it was


def test_commands_are_found_and_chosen_by_keys(neuroscope: NeuroscopePage) -> None:
    page = neuroscope.page
    before = page.evaluate("neuroscope.text")
    where = page.get_by_test_id("add-neuron")
    where.click()
    page.keyboard.press("ControlOrMeta+k")
    field = page.get_by_test_id("palette")
    expect(field).to_be_focused()
    expect(field).to_have_attribute("role", "combobox")
    listbox = page.get_by_role("listbox")
    assert field.get_attribute("aria-controls") == listbox.get_attribute("id")
    titles = listbox.get_by_role("group").evaluate_all(
        "(groups) => groups.map((group) => group.querySelector('.head').textContent)"
    )
    assert {"View", "Text", "Samples", "Share", "Export", "Neurons", "Theme"} <= set(titles)
    assert "Recent" not in titles
    # Around the list in both directions; the field keeps the keyboard.
    count = offers(page).count()
    page.keyboard.press("ArrowUp")
    expect(offers(page).nth(count - 1)).to_have_attribute("aria-selected", "true")
    assert chosen(page).get_attribute("id") == f"offer-{count - 1}"
    page.keyboard.press("ArrowDown")
    expect(offers(page).nth(0)).to_have_attribute("aria-selected", "true")
    expect(field).to_be_focused()
    page.keyboard.press("Escape")
    expect(field).to_have_count(0)
    expect(where).to_be_focused()

    # Found by a few letters; what was chosen last comes first next time.
    enter(page, "thdk")
    expect(page.locator("html")).to_have_css("color-scheme", "dark")
    expect(page.get_by_test_id("theme")).to_have_attribute("data-theme", "dark")
    page.keyboard.press("ControlOrMeta+k")
    expect(chosen(page)).to_have_attribute("data-id", "theme.dark")
    expect(page.get_by_role("group", name="Recent")).to_contain_text("Dark")
    expect(chosen(page)).to_contain_text("✓")
    # A click does it too, without taking the keyboard on the way.
    page.keyboard.type("as the system")
    offers(page).first.click()
    expect(page.get_by_test_id("theme")).to_have_attribute("data-theme", "system")
    expect(where).to_be_focused()
    enter(page, "discover")
    expect(page.get_by_test_id("tab-discover")).to_have_attribute("aria-selected", "true")
    page.keyboard.press("ControlOrMeta+.")
    expect(page.get_by_test_id("tab-neurons")).to_have_attribute("aria-selected", "true")

    with page.expect_download() as download:
        enter(page, "export csv")
    assert download.value.suggested_filename.endswith(".csv")
    sample = offers(page).filter(has_text="Samples: ")
    page.keyboard.press("ControlOrMeta+k")
    page.keyboard.type("samples")
    title = sample.first.locator(".title").inner_text()
    page.keyboard.press("Enter")
    neuroscope.wait()
    assert title.startswith("Samples: ")
    assert page.evaluate("neuroscope.text") != before

    # A button opens and closes it; a click elsewhere closes it and takes the keyboard along.
    page.get_by_test_id("open-palette").click()
    expect(field).to_be_focused()
    page.get_by_test_id("open-palette").click()
    expect(field).to_have_count(0)
    page.keyboard.press("ControlOrMeta+k")
    page.mouse.click(200, 700)
    expect(field).to_have_count(0)
    expect(neuroscope.editor).to_be_focused()
    enter(page, "find")
    expect(page.locator(".cm-search input").first).to_be_focused()


def test_help_lists_every_shortcut(neuroscope: NeuroscopePage) -> None:
    """The question mark opens it where nothing is typed, F1 everywhere."""
    page = neuroscope.page
    neuroscope.write("why")
    page.keyboard.type("?")
    neuroscope.wait("why?")
    page.keyboard.press("F1")
    help_list = page.get_by_test_id("help")
    expect(help_list).to_be_focused()
    rows = page.get_by_test_id("shortcut").evaluate_all(
        "(rows) => rows.map((row) => [row.querySelector('dt').textContent, row.querySelector('dd').textContent])"
    )
    told = dict(rows)
    assert told["Find a command"] == "Ctrl+K"
    assert told["Undo"] == "Ctrl+Z"
    assert told["All shortcuts"] == "?F1"
    page.keyboard.press("Escape")
    expect(help_list).to_have_count(0)
    expect(neuroscope.editor).to_be_focused()
    page.get_by_test_id("tab-neurons").focus()
    page.keyboard.press("?")
    expect(help_list).to_be_focused()
    # Every shortcut that the palette shows is listed.
    page.keyboard.press("ControlOrMeta+k")
    expect(help_list).to_have_count(0)
    shown = offers(page).locator("kbd").all_inner_texts()
    assert shown
    assert set(shown) <= {keys for _, line in rows for keys in line.replace("?F1", "? F1").split()} | {"?"}
