"""The npm package, as its users get it: installed from its tarball into an empty folder."""

from __future__ import annotations

import json
import re
import shutil
import tarfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import JSHandle, Page, expect

from tests.browser.conftest import Complaints
from tests.browser.neuroscope_page import CHARACTERS, LINES, NeuroscopePage, Shown
from tests.browser.reference import Reference
from tests.support.node import MODULES, ROOT, WEB_CLIENT, run
from tests.support.server import ServerProcess
from tests.support.site import OtherSite

HERE = Path(__file__).parent / "library"
NAME = "interactive-neuroscope-client"
SERVER_OF_README = "http://127.0.0.1:8740/"
IN_BROWSER, IN_NODE = re.findall(
    r"```js\n(.*?)```", (WEB_CLIENT / "library" / "README.md").read_text("utf-8"), re.DOTALL
)


@dataclass(frozen=True)
class Installed:
    """A folder of somebody who installed the package."""

    folder: Path
    files: dict[str, int]
    """What the tarball holds, with sizes."""

    @property
    def package(self) -> Path:
        return self.folder / "node_modules" / NAME


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Installed:
    folder = tmp_path_factory.mktemp("library")
    run("node", WEB_CLIENT / "scripts" / "build-library.mjs", folder / "dist", cwd=WEB_CLIENT)
    [packed] = json.loads(run("npm", "pack", "--json", folder / "dist", cwd=folder).stdout)
    home = folder / "home"
    home.mkdir()
    (home / "package.json").write_text('{"private": true, "type": "module"}')
    # Offline: whatever it needed besides would be missed.
    run("npm", "install", "--offline", "--ignore-scripts", "--no-audit", folder / packed["filename"], cwd=home)
    assert [path.name for path in (home / "node_modules").iterdir() if path.name[0] != "."] == [NAME]
    # What its users have besides, from where this checkout has it.
    for name in ("@codemirror", "@types", "ws"):
        (home / "node_modules" / name).symlink_to(MODULES / name, target_is_directory=True)
    with tarfile.open(folder / packed["filename"]) as archive:
        files = {member.name.removeprefix("package/"): member.size for member in archive}
    return Installed(home, files)


def test_the_projects_readme_says_the_same() -> None:
    [example] = re.findall(r"```js\n(.*?)```", (ROOT / "README.md").read_text("utf-8"), re.DOTALL)
    assert set(example.splitlines()) <= set(IN_BROWSER.splitlines())


def test_the_tarball_is_the_library_and_nothing_else(installed: Installed) -> None:
    kind = re.compile(
        r"(package\.json|README\.md|LICENSE|(index|codemirror|testing|chunks/chunk-\w+)\.js|types/[\w/-]+\.d\.ts)"
    )
    assert [name for name in installed.files if not kind.fullmatch(name)] == []
    assert {"index.js", "codemirror.js", "testing.js", "README.md", "LICENSE"} <= installed.files.keys()
    assert sum(installed.files.values()) < 300_000
    manifest = json.loads((installed.package / "package.json").read_text("utf-8"))
    assert manifest["version"] == json.loads((WEB_CLIENT / "package.json").read_text("utf-8"))["version"]
    assert manifest["license"] == "MIT"
    assert not {"private", "dependencies", "devDependencies", "scripts"} & manifest.keys()
    for entry in manifest["exports"].values():
        for file in entry.values() if isinstance(entry, dict) else [entry]:
            assert (installed.package / file).is_file()
    for path in installed.package.rglob("*.*"):
        assert str(ROOT) not in path.read_text("utf-8"), path


# ------------------------------------------------------------------ in Node

MORE_IN_NODE = """
const told = (error) => [error.name, error.message];
const other = await connect(URL, options);
const edited = other.open("edited", "It was the worst of times.");
await other.subscriptions.add(["L1N5"]);
edited.change([{ from: 11, to: 16, insert: "best" }]);
await other.settled(edited);
const withdrawn = new AbortController();
const added = other.subscriptions.add(["L0N1"], 0, { signal: withdrawn.signal }).catch(told);
withdrawn.abort(new Error("no longer"));
const aborted = new AbortController();
aborted.abort(new Error("too late"));
const report = {
  values: [...edited.activations.values("L1N5")],
  withdrawn: await added, wanted: other.subscriptions.wanted,
  aborted: await other.top({ uri: "edited", token: 1, k: 1 }, { signal: aborted.signal }).catch(told),
  late: await connect(URL, { ...options, signal: aborted.signal }).catch(told),
  refused: await connect(URL + "nowhere", { ...options, token: "secret" }).catch(told),
  nobody: await connect("ws://127.0.0.1:9/ws?token=secret", options).catch(told),
  nonsense: await connect("mailto:somebody", options).catch(told),
};
other.close();
report.closed = await other.settled(edited).catch(told);
console.log(JSON.stringify(report));
"""


@pytest.mark.parametrize(
    "flags", [[], ["--no-experimental-websocket"]], ids=["as in Node 22", "as in Node 20, with ws"]
)
def test_the_example_for_node(
    flags: list[str], installed: Installed, server: ServerProcess, reference: Reference
) -> None:
    example = IN_NODE.replace(SERVER_OF_README, server.url)
    assert server.url in example
    prelude = f"const URL = {json.dumps(server.url)}, options = {{}};\n"
    if flags:
        assert "WebSocket" not in example
        example = example.replace(f'connect("{server.url}")', f'connect("{server.url}", {{ WebSocket }})')
        prelude = prelude.replace("{}", "{ WebSocket }")
        example = 'import { WebSocket } from "ws";\n' + example
    script = installed.folder / "script.mjs"
    script.write_text(example + prelude + MORE_IN_NODE, "utf-8")
    *lines, last = run("node", *flags, script, cwd=installed.folder).stdout.splitlines()

    ids = reference.ids("It was the best of times.")
    expected = reference.values(ids, ["L1N5", "L2N42"])
    told = [line.rsplit(" ", 2) for line in lines]
    assert "".join(json.loads(text) for text, _, _ in told[1:]) == "It was the best of times."
    assert [[float(one), float(other)] for _, one, other in told] == [
        pytest.approx([expected["L1N5"][i], expected["L2N42"][i]], abs=6e-4) for i in range(len(ids))
    ]
    report = json.loads(last)
    assert report["values"] == pytest.approx(expected["L1N5"].tolist(), abs=1e-4)
    assert report["withdrawn"] == ["Error", "no longer"]
    assert report["wanted"] == ["L1N5"]
    assert report["aborted"] == report["late"] == ["Error", "too late"]
    assert report["refused"][0] == "RefusedError"
    assert report["nobody"] == ["Error", "no connection to ws://127.0.0.1:9/ws"]
    assert report["nonsense"] == ["TypeError", "mailto:somebody is not the address of a Neuroscope server"]
    assert report["closed"][0] == "NeuroscopeError"


# ------------------------------------------------------------------ in TypeScript


@pytest.mark.parametrize(
    ("files", "module", "lib"),
    [(["consumer.ts"], "nodenext", "es2023"), (["consumer.ts", "editor.ts"], "bundler", "es2023,dom")],
    ids=["without DOM, by nodenext", "with DOM, by bundler"],
)
def test_strict_typescript(files: list[str], module: str, lib: str, installed: Installed) -> None:
    for file in files:
        shutil.copy(HERE / file, installed.folder)
    options = ["--module", "nodenext" if module == "nodenext" else "esnext", "--moduleResolution", module, "--lib", lib]
    checks = ["--strict", "--exactOptionalPropertyTypes", "--noEmit", "--skipLibCheck", "false", "--types", "node"]
    tsc = MODULES / "typescript" / "bin" / "tsc"
    run("node", tsc, *files, "--ignoreConfig", "--target", "es2022", *options, *checks, cwd=installed.folder)


# ------------------------------------------------------------------ in somebody's editor

PAGE = """<!doctype html><html lang="en"><title>Notes</title>
<body><h1>Notes</h1><script type="module" src="/library.js"></script>"""
POLICY = "default-src 'none'; script-src 'self'; style-src 'unsafe-inline'; connect-src ws://{server} ws://127.0.0.1:9"

SETTLED = f"""
async (view) => {{
    const linesOf = {LINES};
    const state = await library.shown(view);
    for (let i = 0; i < 3; i++) await new Promise(requestAnimationFrame);
    return {{ ...state, version: 0, lines: linesOf(view.contentDOM), characters: {CHARACTERS}(state.text) }};
}}
"""


class Editors:
    """The editors on a page of somebody else."""

    def __init__(self, page: Page, reference: Reference) -> None:
        self.page = page
        self._checker = NeuroscopePage(page, reference)

    def shows(self, view: JSHandle, text: str, neurons: list[str]) -> Shown:
        """Waits until all values are there; tokens, values and colours are those of a plain pass."""
        state: dict[str, Any] = view.evaluate(SETTLED)
        shown = Shown(**state)
        assert (shown.text, shown.neurons) == (text, neurons)
        self._checker.check(shown)
        return shown


@pytest.fixture
def editors(
    page: Page, installed: Installed, server: ServerProcess, reference: Reference, elsewhere: OtherSite
) -> Editors:
    example = IN_BROWSER.replace(SERVER_OF_README, server.url)
    assert server.url in example
    (installed.folder / "example.js").write_text(example, "utf-8")
    shutil.copy(HERE / "editor.js", installed.folder)
    (installed.folder / "entry.js").write_text('import "./example.js";\nimport "./editor.js";\n')
    esbuild = MODULES / "esbuild" / "bin" / "esbuild"
    bundled = run("node", esbuild, "entry.js", "--bundle", "--format=esm", cwd=installed.folder).stdout
    elsewhere.pages["/library.js"] = {"Content-Type": "text/javascript"}, bundled.encode()
    page.goto(elsewhere.add("/library.html", PAGE, POLICY.format(server=f"127.0.0.1:{server.port}")))
    return Editors(page, reference)


def test_anyones_editor(editors: Editors, server: ServerProcess, complaints: Complaints) -> None:
    page = editors.page
    first = page.evaluate_handle("library.first()")
    text = '"Good morning!" cried he.'
    assert editors.shows(first, text, ["L2N99", "L1N748"]).focus == "L2N99"
    content = page.locator(".cm-content").first
    content.press("ControlOrMeta+End")
    page.keyboard.type(" In 1812 too 🙂")
    text += " In 1812 too 🙂"
    editors.shows(first, text, ["L2N99", "L1N748"])
    page.locator(".neuro-token", has_text="cried").hover()
    expect(page.get_by_test_id("token-tooltip")).to_contain_text("L1N748")

    # Another one: it keeps its look and its input, and its options can be others.
    options = {"url": server.url, "neurons": "L3N615 L1N748", "text": "\tTwo lines,\nof Emma.\n", "ranges": "text"}
    made = page.evaluate_handle("(options) => library.make(options)", options)
    view = made.get_property("view")
    shown = editors.shows(view, options["text"], ["L3N615", "L1N748"])
    own = [value for value, token in zip(shown.values["L3N615"], shown.tokens, strict=True) if not token["special"]]
    assert shown.scales["L3N615"]["max"] == pytest.approx(max(abs(value or 0) for value in own))
    look = "(view) => [getComputedStyle(view.dom).color, getComputedStyle(view.dom).colorScheme]"
    assert view.evaluate(look) == ["rgb(221, 221, 221)", "dark"]
    view.evaluate("(view) => { view.focus(); view.dispatch({ selection: { anchor: 1, head: 4 } }); }")
    page.keyboard.type("(")
    page.keyboard.press("ControlOrMeta+a")
    page.keyboard.press("ArrowRight")
    page.keyboard.type("Well.")
    editors.shows(view, "\t(Two) lines,\nof Emma.\nWell.", ["L3N615", "L1N748"])
    page.keyboard.press("ControlOrMeta+z")
    text = view.evaluate("(view) => view.state.doc.toString()")
    before = made.evaluate(
        "({ session }) => { globalThis.kept = session().client; return session().client.state.kind; }"
    )
    assert before == "ready"

    # Other neurons keep the connection, and errors are shown; another server does not.
    def reconfigure(**changed: Any) -> None:
        made.evaluate("(made, options) => made.reconfigure(options)", {**options, **changed})

    reconfigure(neurons=["L1N748", "L2N99", "L99N1"], ranges={"L1N748": {"max": 2.5}}, stripes=False)
    shown = editors.shows(view, text, ["L1N748", "L2N99"])
    assert shown.scales["L1N748"]["max"] == 2.5
    status = page.locator(".neuro-status")
    expect(status).to_have_text("The model has no L99N1.")
    assert made.evaluate("({ session }) => session().client === kept")
    assert page.locator(".neuro-stripes canvas").count() > 0  # of the first editor
    assert view.evaluate("(view) => view.dom.querySelectorAll('.neuro-stripes canvas').length") == 0
    reconfigure(neurons="L1N748 and more", model="no-such-model")
    expect(status).to_contain_text("and is not a neuron")
    expect(status).to_contain_text("no-such-model could not be loaded")
    reconfigure(url="mailto:nobody")
    expect(status).to_contain_text("not the address of a Neuroscope server")
    assert made.evaluate("({ session }) => session()") is None
    assert page.evaluate("kept.state.kind") == "closed"
    complaints.allow("WebSocket connection to 'ws://127.0.0.1:9/ws' failed")
    reconfigure(url="http://127.0.0.1:9/")
    expect(status).to_contain_text("The server does not answer.")
    reconfigure()
    editors.shows(view, text, ["L3N615", "L1N748"])
    expect(status).to_have_count(0)

    # What an editor had of the extension goes with it.
    made.evaluate("({ session }) => { globalThis.kept = session().client; }")
    made.evaluate("(made) => made.reconfigure(null)")
    assert page.evaluate("kept.state.kind") == "closed"
    assert view.evaluate("(view) => view.dom.querySelectorAll('.neuro-token, .neuro-stripes, .neuro-sign').length") == 0
    made.evaluate("(made, options) => made.reconfigure(options)", options)
    editors.shows(view, text, ["L3N615", "L1N748"])
    made.evaluate("({ session }) => { globalThis.kept = session().client; }")
    view.evaluate("(view) => { view.destroy(); }")
    assert page.evaluate("kept.state.kind") == "closed"

    # Lines that are not wrapped have stripes wherever they are scrolled to.
    long = "It was said, 1812, that 7 ships (the old) did come. " * 40
    options = {**options, "text": long, "ranges": "statistics", "wrap": False}
    view = page.evaluate_handle("(options) => library.make(options).view", options)
    editors.shows(view, long, ["L3N615", "L1N748"])
    last = 0
    for place in (0, 2000, 10**6):
        under = view.evaluate(
            """async (view, left) => {
                view.scrollDOM.scrollLeft = left;
                for (let i = 0; i < 3; i++) await new Promise(requestAnimationFrame);
                return library.stripes(view, "L1N748");
            }""",
            place,
        )
        assert {token["wanted"] for token in under} == {True, False}
        assert [token for token in under if token["wanted"] != token["found"]] == []
        assert under[-1]["token"] > last
        last = under[-1]["token"]
