"""Neurons: how they are named, what follows a subscription, and which are highest at a token."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from tests.server.conftest import INFINITE, UNDEFINED, Fleet
from tests.support import models
from tests.support.client import Client, RequestFailed

PROSE = "The keeper counted the waves, and the girl counted the gulls.\n" * 6


async def check(fleet: Fleet, client: Client, uri: str = "one") -> None:
    await client.settled(uri)
    fleet.reference(client.model["id"]).check(client.documents[uri], client.subscribed)


async def test_three_ways_to_name_a_neuron(fleet: Fleet) -> None:
    async with await Client.open(fleet.url) as client:
        neurons = await client.subscribe(
            "L1N7", {"layer": 1, "neuron": 7}, {"hook": "blocks.1.mlp.hook_post", "index": 7}, {"layer": 0, "neuron": 2}
        )
        assert [neuron["key"] for neuron in neurons] == ["L1N7", "L0N2"]
        assert neurons[0] == {
            "key": "L1N7",
            "layer": 1,
            "neuron": 7,
            "hook": "blocks.1.mlp.hook_post",
            "statistics": None,
        }
        neurons = await client.subscribe({"hook": "blocks.2.hook_resid_post", "index": 47}, "L1N7")
        assert [neuron["key"] for neuron in neurons] == ["L1N7", "L0N2", "blocks.2.hook_resid_post/47"]
        assert await client.unsubscribe("L1N7", "L1N9") == neurons[1:]  # giving up what one has not is fine
        neurons = await client.subscribe("blocks.2.hook_resid_post/47", "L1N7")  # a key names its neuron too
        assert [neuron["key"] for neuron in neurons] == ["L0N2", "blocks.2.hook_resid_post/47", "L1N7"]


INVALID: list[Any] = [
    "L3N0",
    "L0N192",
    "L-1N0",
    "L0N-1",
    "l0n0",
    "L0N0 ",
    "",
    "L0",
    "L٣N٤",
    "L" + "9" * 5000 + "N0",
    "😀",
    "\ud800",
    {"layer": 0},
    {"layer": 3, "neuron": 0},
    {"layer": -1, "neuron": 0},
    {"layer": "0", "neuron": 0},
    {"layer": 0, "neuron": 1.5},
    {"layer": True, "neuron": 0},
    {"layer": 10**40, "neuron": 0},
    {"hook": "blocks.0.mlp.hook_post", "index": 192},
    {"hook": "blocks.0.mlp.hook_post", "index": -1},
    {"hook": "blocks.0.nothing", "index": 0},
    {"hook": "blocks.7.mlp.hook_post", "index": 0},
    {"hook": "embed.hook_out", "index": 0},
    {"hook": "\ud800", "index": 0},
    {"hook": "", "index": 0},
    {},
    None,
    7,
    ["L0N0"],
]


@pytest.mark.parametrize("method", ["neurons/subscribe", "neurons/unsubscribe"])
async def test_one_invalid_reference_changes_nothing(fleet: Fleet, method: str) -> None:
    async with await Client.open(fleet.url) as client:
        await client.subscribe("L0N1", "L1N1")
        await client.open_document("one", "text")
        await client.settled()
        updates = client.documents["one"].updates
        for reference in INVALID:
            with pytest.raises(RequestFailed) as failure:
                await client.request(method, {"neurons": ["L0N1", "L2N2", reference]})
            assert failure.value.code == -32602, reference
            assert "neurons" in failure.value.data["member"], reference
            if isinstance(reference, str) and len(reference) > 1024:
                assert "1024 characters" in failure.value.message  # told by its place, not repeated
            elif isinstance(reference, str) and reference.isprintable():
                assert reference in failure.value.message or reference in str(failure.value.data), reference
        for params in ({}, {"neurons": "L0N0"}, {"neurons": None}, [["L0N0"]], "L0N0", 5, None):
            with pytest.raises(RequestFailed) as failure:
                await client.request(method, params)
            assert failure.value.code == -32602
        assert [neuron["key"] for neuron in await client.subscribe()] == ["L0N1", "L1N1"]
        await client.change("one", (0, 0, "a "))
        await check(fleet, client)
        assert client.documents["one"].updates > updates
        assert sorted(client.documents["one"].rows) == ["L0N1", "L1N1"]


async def test_values_of_new_neurons_follow_without_a_pass_where_the_layer_is_computed(fleet: Fleet) -> None:
    async with await Client.open(fleet.url) as client:
        await client.subscribe("L2N0")
        await client.open_document("one", PROSE)
        await client.open_document("two", models.TEXT)
        await client.settled()
        for neuron in range(1, 20):
            await client.subscribe({"layer": 2, "neuron": neuron})
            for uri, document in client.documents.items():
                await check(fleet, client, uri)
                assert document.done is not None
                assert document.done["computedTokens"] == document.done["forwardPasses"] == 0
                assert {key for _, _, keys in document.update_ranges[-1:] for key in keys} == {f"L2N{neuron}"}


async def test_deeper_and_shallower_layers(fleet: Fleet) -> None:
    """Layers that were never computed are, for the whole text, and edits between keep all of them right."""
    async with await Client.open(fleet.url) as client:
        await client.open_document("one", PROSE)
        await client.settled()  # nothing subscribed, and nothing to do
        done = client.documents["one"].done
        assert done is not None
        assert done["computedTokens"] == 0
        for step, references in enumerate(
            (
                ["L0N3"],
                ["L2N3"],
                ["L1N3", "blocks.0.hook_resid_pre/1"],
                ["blocks.2.hook_resid_post/1"],
                ["blocks.1.hook_resid_pre/1", "L0N4"],
            )
        ):
            await client.subscribe(*references)
            await check(fleet, client)
            await client.change("one", (3 * step, 3 * step + 2, "é"))
            await client.change("one", (len(client.documents["one"].text), len(client.documents["one"].text), " and"))
            await check(fleet, client)
            if step % 2:
                await client.unsubscribe(client.subscribed[0])
            await client.change("one", (40, 41, "\n"))
            await check(fleet, client)


async def test_many_neurons_at_once(fleet: Fleet) -> None:
    async with await Client.open(fleet.url, activationEncodings=["base64"]) as client:
        layers, width = client.model["layers"], client.model["neuronsPerLayer"]
        everything = [{"layer": layer, "neuron": neuron} for layer in range(layers) for neuron in range(width)]
        await client.subscribe(*everything)
        await client.open_document("one", PROSE)
        await check(fleet, client)
        await client.change("one", (10, 20, "X"))
        await check(fleet, client)
        assert len(client.subscribed) == layers * width


@pytest.mark.parametrize("model", ["gpt2", "llama", "gpt-neox"])
async def test_every_hook_point_that_is_offered(fleet: Fleet, model: str) -> None:
    reference = fleet.reference(model)
    known = reference.activations([1, 2, 3])
    async with await Client.open(fleet.url) as client:
        await client.load(model)
        hooks = client.model["hooks"]
        assert len(hooks) > 3 * client.model["layers"]
        await client.open_document("one", PROSE)
        for hook in hooks:
            width = known[hook].shape[1]
            await client.subscribe({"hook": hook, "index": 0}, {"hook": hook, "index": width - 1})
            with pytest.raises(RequestFailed) as failure:
                await client.subscribe({"hook": hook, "index": width})
            assert failure.value.code == -32602
        await check(fleet, client)
        assert len(client.subscribed) == 2 * len(hooks)
        await client.change("one", (30, 33, "sea"), (0, 1, ""))
        await check(fleet, client)


async def test_what_is_no_number_is_null(narrow: Fleet) -> None:
    """Infinite and undefined activations, which half precision and odd weights do produce."""
    for encoding in ("json", "base64"):
        async with await Client.open(narrow.url, activationEncodings=[encoding]) as client:
            await client.subscribe(f"L2N{INFINITE}", f"L2N{UNDEFINED}", "L2N0")
            await client.open_document("one", "some text")
            await check(narrow, client)
            document = client.documents["one"]
            for key in (f"L2N{INFINITE}", f"L2N{UNDEFINED}"):
                assert not np.isfinite(document.values(key)).any()
                if encoding == "json":
                    assert np.isnan(document.values(key)).all()
            top = await client.request("neurons/top", {"uri": "one", "token": 1, "k": 1000, "layers": [2]})
            values = {neuron["neuron"]: neuron["value"] for neuron in top["neurons"]}
            assert values[INFINITE] is None
            assert values[UNDEFINED] is None


@pytest.mark.parametrize("model", ["gpt2", "llama"])
async def test_highest_neurons_at_a_token(fleet: Fleet, model: str) -> None:
    async with await Client.open(fleet.url) as client:
        await client.load(model)
        await client.open_document("one", models.TEXT)
        await client.settled()
        await client.change("one", (0, 3, "A"))
        await client.settled()
        document = client.documents["one"]
        layers, width = client.model["layers"], client.model["neuronsPerLayer"]
        values = np.stack(
            [fleet.reference(model).values(document, f"blocks.{layer}.mlp.hook_post") for layer in range(layers)]
        )  # [layers, tokens, width]
        for token in (0, 1, 50, len(document.tokens) - 1, 20):
            for chosen, k in ((None, 10), ([1], 3), ([2, 0], 1000), ([0, 0], width)):
                params = {"uri": "one", "token": token, "k": k, **({} if chosen is None else {"layers": chosen})}
                result = await client.request("neurons/top", params)
                assert (result["version"], result["token"]) == (2, token)
                among = sorted(set(range(layers) if chosen is None else chosen))
                expected = np.sort(values[among, token].ravel())[::-1][:k]
                found = [neuron["value"] for neuron in result["neurons"]]
                np.testing.assert_allclose(found, expected, rtol=0, atol=1e-4)
                for neuron in result["neurons"]:
                    assert neuron["key"] == f"L{neuron['layer']}N{neuron['neuron']}"
                    assert neuron["layer"] in among
                    assert abs(neuron["value"] - values[neuron["layer"], token, neuron["neuron"]]) <= 1e-4
                    assert neuron["ratio"] is None  # no statistics
                assert len({neuron["key"] for neuron in result["neurons"]}) == len(result["neurons"])


async def test_highest_neurons_between_edits(fleet: Fleet) -> None:
    """Asking at full typing speed disturbs nothing, and each answer is true of the version that it names."""
    reference = fleet.reference("gpt2")
    async with await Client.open(fleet.url) as client:
        await client.subscribe("L0N0", "L2N5")
        await client.open_document("one", PROSE)
        await client.settled()
        document = client.documents["one"]
        texts = {1: document.text}
        requests = []
        for step in range(40):
            at = (step * 37) % len(document.text)
            await client.change("one", (at, at, "w"))
            texts[document.version] = document.text
            requests.append(client.call("neurons/top", {"uri": "one", "token": step, "k": 2, "layers": [step % 3]}))
            await client.send(requests[-1])
        await check(fleet, client)
        for request in requests:
            result = await client.answer(request)
            token = result["token"]
            bos = reference.tokenizer.bos_token_id
            ids = [bos, *reference.ids(texts[result["version"]])][: token + 1]  # within the first context
            row = reference.activations(ids)[f"blocks.{request['params']['layers'][0]}.mlp.hook_post"][token]
            best = np.sort(row)[::-1][:2]
            np.testing.assert_allclose([n["value"] for n in result["neurons"]], best, rtol=0, atol=1e-4)


async def test_highest_neurons_of_what_does_not_exist(fleet: Fleet) -> None:
    async with await Client.open(fleet.url) as client:
        await client.open_document("one", "some text")
        await client.settled()
        good = {"uri": "one", "token": 0, "k": 5}
        for wrong in (
            {"token": 4000},
            {"token": -1},
            {"token": "0"},
            {"k": 0},
            {"k": -1},
            {"k": 2.5},
            {"layers": [3]},
            {"layers": [-1]},
            {"layers": []},
            {"layers": "all"},
            {"by": "loudness"},
            {"by": "ratio"},  # this model has no statistics
            {"uri": 5},
        ):
            with pytest.raises(RequestFailed) as failure:
                await client.request("neurons/top", {**good, **wrong})
            assert failure.value.code == -32602, wrong
            assert next(iter(wrong)) in failure.value.data["member"], wrong
        with pytest.raises(RequestFailed) as failure:
            await client.request("neurons/top", {**good, "uri": "two"})
        assert failure.value.code == -32012
        assert len((await client.request("neurons/top", good))["neurons"]) == 5


async def test_what_an_edit_changed(fleet: Fleet) -> None:
    """Against full passes over both texts, subtracted, in documents of one context and of several."""
    reference = fleet.reference("llama")
    for text in (PROSE, models.TEXT * 2):
        async with await Client.open(fleet.url) as client:
            await client.load("llama")
            await client.subscribe("L0N1")
            layers = range(client.model["layers"])
            hooks = [f"blocks.{layer}.mlp.hook_post" for layer in layers]
            await client.open_document("one", text)
            await client.settled()
            document = client.documents["one"]
            for step, edit in enumerate(((4, 10, "boy"), (30, 30, " and then some"), (50, 58, ""))):
                old = [dict(token) for token in document.tokens]
                old_values = np.stack([reference.values(document, hook) for hook in hooks])
                shift = len(edit[2]) - (edit[1] - edit[0])
                await client.change("one", edit)
                await client.settled()
                new_values = np.stack([reference.values(document, hook) for hook in hooks])  # [layers, tokens, width]
                result = await client.request("neurons/changed", {"uri": "one", "k": 50})
                assert (result["version"], result["previousVersion"]) == (step + 2, step + 1)
                assert result["layers"] == list(layers)
                # All tokens of the first context that stand behind the edit, by their spans; the edits leave the later
                # contexts as they are.
                stop = next(
                    (i for i, token in enumerate(document.tokens) if token.get("segment")), len(document.tokens)
                )
                former = next((i for i, token in enumerate(old) if token.get("segment")), len(old))
                places = {(t["id"], t["from"] + shift, t["to"] + shift): i for i, t in enumerate(old[:former])}
                both = [
                    (places[span], i)
                    for i, token in enumerate(document.tokens[:stop])
                    if token["from"] >= edit[0] + len(edit[2])
                    and (span := (token["id"], token["from"], token["to"])) in places
                    and places[span] < former
                ]
                assert result["comparedTokens"] == len(both) > 20
                before, after = (np.array(side) for side in zip(*both, strict=True))
                change = new_values[:, after] - old_values[:, before]  # [layers, compared, width]
                expected = np.sort(np.abs(change).max(axis=1).ravel())[::-1][:50]
                found = [abs(neuron["change"]) for neuron in result["neurons"]]
                np.testing.assert_allclose(found, expected, rtol=0, atol=1e-4)
                for neuron in result["neurons"]:
                    layer, index, at = neuron["layer"], neuron["neuron"], after.tolist().index(neuron["token"])
                    assert neuron["key"] == f"L{layer}N{index}"
                    assert abs(neuron["after"] - new_values[layer, neuron["token"], index]) <= 1e-4
                    assert abs(neuron["before"] - old_values[layer, before[at], index]) <= 1e-4
                    assert neuron["change"] == pytest.approx(neuron["after"] - neuron["before"], rel=1e-6, abs=1e-6)
                    assert neuron["ratio"] is None  # no statistics
            await check(fleet, client)


async def test_statistics(narrow: Fleet) -> None:
    """Where the model has them they come with its neurons, and neurons can be ranked by them."""
    async with await Client.open(narrow.url) as client:
        assert client.model["hasStatistics"] is True
        neurons = await client.subscribe("L1N3", "blocks.1.hook_resid_post/3")
        statistics = neurons[0]["statistics"]
        assert {"max", "min", "mean", "density"} <= statistics.keys()
        assert statistics["min"] == pytest.approx(-statistics["max"] / 2)
        assert neurons[1]["statistics"] is None
        await client.open_document("one", "The gulls were counted twice.")
        await check(narrow, client)
        everything = await client.request("neurons/top", {"uri": "one", "token": 4, "k": 1000, "by": "ratio"})
        assert len(everything["neurons"]) == client.model["layers"] * client.model["neuronsPerLayer"]
        numbers = [neuron for neuron in everything["neurons"] if neuron["value"] is not None]
        ratios = [neuron["ratio"] for neuron in numbers]
        assert ratios == sorted(ratios, reverse=True)
        assert len(ratios) == len(everything["neurons"]) - 2
        values = {neuron["key"]: neuron for neuron in everything["neurons"]}
        expected = client.documents["one"].values("L1N3")[4]
        assert values["L1N3"]["value"] == pytest.approx(expected, abs=1e-4)
        assert values["L1N3"]["ratio"] == pytest.approx(expected / statistics["max"], abs=1e-4)
        by_value = await client.request("neurons/top", {"uri": "one", "token": 4, "k": 3, "layers": [0, 1]})
        shallow = [neuron for neuron in numbers if neuron["layer"] < 2]
        assert by_value["neurons"] == sorted(shallow, key=lambda neuron: -neuron["value"])[:3]
