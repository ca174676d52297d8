"""The Visual Studio Code extension as a .vsix, and what is in it on the real server.

`support/vscode.cjs` stands for the editor. The extension's logic has tests of its own in `web_client/test/vscode`.
"""

from __future__ import annotations

import json
import re
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.server.conftest import Fleet
from tests.support.node import ROOT, WEB_CLIENT, run
from tests.support.vsix import EXTENSION, package

TEXT = "The wave came,\r\nand 42 more.\r\n"


@pytest.fixture(scope="module")
def vsix(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return package(tmp_path_factory.mktemp("vsix"))


def test_what_is_in_it(vsix: Path) -> None:
    with zipfile.ZipFile(vsix) as archive:
        sizes = {info.filename: info.file_size for info in archive.infolist()}
        manifest = json.loads(archive.read("extension/package.json"))
        contents = b"".join(archive.read(name) for name in sizes)
    own = {"package.json", "readme.md", "LICENSE.txt", "licences.txt", "extension.js", "icon.png", "icon.svg"}
    assert sizes.keys() == {"[Content_Types].xml", "extension.vsixmanifest", *(f"extension/{name}" for name in own)}
    assert sum(sizes.values()) < 300_000
    assert str(ROOT).encode() not in contents
    assert manifest["version"] == json.loads((WEB_CLIENT / "package.json").read_text("utf-8"))["version"]
    assert vsix.name == f"interactive-neuroscope-{manifest['version']}.vsix"
    # No workspace decides which server gets a person's texts.
    properties = manifest["contributes"]["configuration"]["properties"]
    assert {properties[f"neuroscope.{name}"]["scope"] for name in ("url", "connectOnStartup")} == {"machine"}
    readme = (EXTENSION / "README.md").read_text("utf-8")
    assert [name for name in properties if f"`{name}`" not in readme] == []
    assert [command["title"] for command in manifest["contributes"]["commands"] if command["title"] not in readme] == []


def test_a_session_on_the_real_server(vsix: Path, fleet: Fleet, tmp_path: Path) -> None:
    with zipfile.ZipFile(vsix) as archive:
        archive.extractall(tmp_path)
        manifest = json.loads(archive.read("extension/package.json"))
    script = Path(__file__).with_name("vscode_session.cjs")
    extension = tmp_path / "extension" / "extension.js"
    report = json.loads(run("node", script, extension, fleet.url, TEXT, cwd=tmp_path).stdout)

    assert report["registered"] == sorted(entry["command"] for entry in manifest["contributes"]["commands"])
    assert report["ignored"] == 0  # an output is no text
    texts = [moment["text"] for moment in report["seen"]]
    edited = "So The sea came,\r\nand 42 more.\r\n\r\nThe end 🙂"
    assert texts == [TEXT, edited, "Another text.", edited[:-1]]
    first, second, *others = report["seen"]
    check_moment(second, fleet, widest=check_moment(first, fleet))  # the scale of one text only grows
    for moment in others:
        check_moment(moment, fleet)
    assert report["bare"] == 0

    assert report["added"] == ["L0N1", "oops", "L1N2", "L2N3"]
    last = report["seen"][-1]
    [pick] = report["picks"]
    ids = [token["id"] for token in last["tokens"]]
    whole = fleet.reference().activations(ids)
    everything = np.stack([whole[f"blocks.{layer}.mlp.hook_post"][-1] for layer in range(fleet.reference().layers)])
    for item, place in zip(pick["items"], np.argsort(-everything, axis=None)[:20], strict=True):
        layer, neuron = np.unravel_index(place, everything.shape)
        assert item["label"] == f"L{layer}N{neuron}"
        assert float(item["description"].replace("\u2212", "-")) == pytest.approx(everything[layer, neuron], abs=6e-4)
    assert report["after"]["neurons"] == [*report["added"], pick["items"][0]["label"]]
    token, *values = report["hover"]["lines"]
    assert re.fullmatch(r".+ {2}token \d+, id \d+", token)
    watched = [name for name in report["after"]["neurons"] if name != "oops"]
    assert [line.split()[0] for line in values] == [row["label"] for row in report["list"]] == watched
    # Strong tokens are marked beside the text, and gone through; a line break has a sign.
    assert report["strong"] in report["marks"]
    ends = {match.start() for match in re.finditer(r"\r\n|\n", last["text"])}
    assert set(report["lineBreaks"]) <= ends
    assert report["lineBreaks"]
    # A file that the settings exclude is not sent, though it is seen.
    assert report["beside"] == ["file:///note.md"]
    assert "neuroscope.exclude" in report["unsent"]["tooltip"]
    assert report["contexts"] == {"neuroscope.connected": False, "neuroscope.hasNeurons": False}
    assert not any(word in line for line in report["log"] for word in ("wave", "SECRET"))
    assert report["warnings"] == []
    assert report["after"]["decorated"] == report["left"] == 0
    assert report["after"]["status"]["command"] == "neuroscope.connect"


def check_moment(moment: dict[str, Any], fleet: Fleet, widest: float = 0) -> float:
    """Tokens and values are those of a plain pass, and so are the decorations: where they are, and how strong.

    Returns the widest value so far.
    """
    reference = fleet.reference()
    text, tokens = moment["text"], moment["tokens"]
    assert moment["sent"] == text
    assert [token["id"] for token in tokens[1:]] == reference.ids(text)
    values = reference.activations([token["id"] for token in tokens])["blocks.0.mlp.hook_post"][:, 1]
    assert moment["values"] == pytest.approx(values.tolist(), abs=1e-4)
    last = len(tokens) - 1  # the caret is at the end
    assert moment["status"]["text"] == f"$(warning) L0N1 {told(values[last])}"  # "oops" is no neuron
    widest = max(widest, float(np.abs(values[1:]).max()))
    allowed: list[set[int]] = [set() for _ in range(len(text.encode("utf-16-le")) // 2)]
    for token, value in zip(tokens[1:], values[1:], strict=True):
        bucket = int(np.sign(value) * min(16, np.floor(abs(value) / widest * 16 + 0.5)))
        for unit in range(addressable(text, token["from"]), addressable(text, token["to"])):
            allowed[unit].add(bucket)
    for theme in ("light", "dark"):
        shown: list[str | None] = [None] * len(allowed)
        for span in moment["decorated"]:
            assert shown[span["from"] : span["to"]] == [None] * (span["to"] - span["from"])
            shown[span["from"] : span["to"]] = [span[theme]] * (span["to"] - span["from"])
        colours: dict[int, str | None] = {0: None}
        for colour, buckets in zip(shown, allowed, strict=True):
            if len(buckets) == 1:
                assert colours.setdefault(*buckets, colour) == colour
        for colour, buckets in zip(shown, allowed, strict=True):  # characters that several tokens make up
            assert len(buckets) == 1 or colour in {colours.get(bucket, colour) for bucket in buckets}
        for side in (1, -1):
            rising = [str(colours[bucket]) for bucket in sorted(colours, key=abs) if bucket * side > 0]
            assert len({colour.split(" / ")[0] for colour in rising}) <= 1
            opacities = [float(colour.split(" / ")[1].rstrip(")")) for colour in rising]
            assert opacities == sorted(opacities)
            assert all(0 < opacity <= 0.92 for opacity in opacities)
    return widest


def addressable(text: str, offset: int) -> int:
    """Where an offset is in VS Code: no position lies between the two characters of a line's end."""
    # As UTF-16 counts; nothing before the ends of lines is beyond the first plane.
    return offset - 1 if text[offset - 1 : offset + 1] == "\r\n" else offset


def told(value: float) -> str:
    return f"{value:.3f}".replace("-", "\u2212")
