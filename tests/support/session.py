"""A session without a server: its effects are carried out by hand, with an engine in the same process."""

from __future__ import annotations

import json
from collections import deque
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from tests.support.loaded import Loaded
from ws_server.config import Limits
from ws_server.document.tokenizer import TooManyTokens
from ws_server.engine.commands import Command
from ws_server.engine.engine import Engine
from ws_server.model import ServedModel
from ws_server.protocol import codec
from ws_server.session import (
    Compute,
    Effects,
    GiveUpLoading,
    LoadModel,
    Notify,
    Refuse,
    Reply,
    Session,
    Tokenize,
)


@dataclass
class View:
    """What a client knows of one document, kept by the words of the protocol."""

    version: int | None = None
    tokens: list[dict[str, Any]] = field(default_factory=list)
    values: dict[str, list[float | None]] = field(default_factory=dict)
    done: list[dict[str, Any]] = field(default_factory=list)


class Driver:
    """A session with an engine of its own; effects are carried out in order, tokenizing and computing on demand."""

    def __init__(self, model: Loaded, limits: Limits | None = None, offered: tuple[str, ...] = ("gpt2",)) -> None:
        self.model = model
        self.engine = Engine(model.runner, 1 << 40)
        served = ServedModel.of("gpt2", model.facts)
        summaries: Any = [{"id": name, "title": name, "loaded": True, "default": True} for name in offered]
        self.session = Session(served, limits or Limits(), lambda: summaries)
        self.session.attach("utf-16", "json")
        self.sent: list[Any] = []
        self.work: deque[Tokenize] = deque()
        self.loads: list[LoadModel] = []
        self.given_up: list[Any] = []
        self.commands: list[Command] = []
        self.views: dict[str, View] = {}
        self._id = 0

    # ---- the client's side

    def notify(self, method: str, **params: Any) -> list[Any]:
        return self._receive({"jsonrpc": "2.0", "method": method, "params": params})

    def ask(self, method: str, **params: Any) -> int:
        self._id += 1
        self._receive({"jsonrpc": "2.0", "id": self._id, "method": method, "params": params})
        return self._id

    def answer(self, request_id: int) -> Any:
        """The one answer to a request: its result, or its error's code."""
        answers = [e for e in self.sent if isinstance(e, Reply | Refuse) and e.id == request_id]
        assert len(answers) <= 1
        if not answers:
            return None
        return answers[0].result if isinstance(answers[0], Reply) else answers[0].error.code

    def call(self, method: str, **params: Any) -> Any:
        return self.answer(self.ask(method, **params))

    def open(self, text: str, version: int = 1, uri: str = "a") -> int:
        self.views[uri] = View(values=self.views.get(uri, View()).values and {})
        return self.ask("document/open", uri=uri, version=version, text=text)

    def change(self, version: int, *changes: tuple[int, int, str], uri: str = "a") -> list[Any]:
        wire = [{"from": start, "to": stop, "insert": insert} for start, stop, insert in changes]
        return self.notify("document/change", uri=uri, version=version, changes=wire)

    def methods(self) -> list[str]:
        return [effect.method if isinstance(effect, Notify) else type(effect).__name__ for effect in self.sent]

    # ---- the doer's side

    def _receive(self, message: dict[str, Any]) -> list[Any]:
        before = len(self.sent)
        for item in codec.decode(json.dumps(message)).messages:
            self.perform(self.session.receive(item))
        return self.sent[before:]

    def perform(self, effects: Effects) -> None:
        for effect in effects:
            if isinstance(effect, Tokenize):
                self.work.append(effect)
            elif isinstance(effect, Compute):
                self.commands.append(effect.command)
                self.engine.submit(effect.command)
            elif isinstance(effect, LoadModel):
                self.loads.append(effect)
            elif isinstance(effect, GiveUpLoading):
                self.given_up.append(effect.id)
            else:
                self.sent.append(effect)
                if isinstance(effect, Notify):
                    self._note(effect.method, json.loads(codec.encode(effect.params)))

    def tokenize(self) -> None:
        """One piece of tokenizing."""
        if self.work:
            work = self.work.popleft()
            try:
                tokens = work.tokenizer.tokenize(work.text, work.encoding, work.most, work.unsure)
            except TooManyTokens:
                self.perform(self.session.too_many_tokens(work.uri, work.ticket))
                return
            self.perform(self.session.tokenized(work.uri, work.ticket, tokens, 0.001))

    def compute(self) -> None:
        """One step of the engine."""
        for result in self.engine.step():
            self.perform(self.session.computed(result))

    def settle(self) -> None:
        while self.work or not self.engine.idle:
            self.tokenize()
            self.compute()

    def view_count(self, uri: str = "a") -> int:
        """How many values the client has."""
        return sum(value is not None for row in self.views[uri].values.values() for value in row)

    def _note(self, method: str, params: dict[str, Any]) -> None:
        if method == "document/tokens":
            self._splice(self.views.setdefault(params["uri"], View()), params)
        elif method == "activations/update":
            view = self.views[params["uri"]]
            assert params["version"] == view.version
            assert params["start"] + params["count"] <= len(view.tokens)
            for key, row in zip(params["neurons"], params["values"], strict=True):
                held = view.values.setdefault(key, [None] * len(view.tokens))
                held[params["start"] : params["start"] + params["count"]] = row
        elif method == "activations/done":
            view = self.views[params["uri"]]
            assert params["version"] == view.version
            view.done.append(params)

    @staticmethod
    def _splice(view: View, params: dict[str, Any]) -> None:
        start, stop = params["start"], params["start"] + params["deleteCount"]
        assert stop <= len(view.tokens)
        after = [
            {**token, "from": token["from"] + params["shift"], "to": token["to"] + params["shift"]}
            for token in view.tokens[stop:]
        ]
        view.tokens = view.tokens[:start] + params["tokens"] + after
        for key, row in view.values.items():
            view.values[key] = row[:start] + [None] * len(params["tokens"]) + row[stop:]
        view.version = params["version"]
        assert len(view.tokens) == params["tokenCount"]

    def check(self, text: str, uri: str = "a") -> None:
        """The client's tokens are the text's, and its values those of a plain full pass."""
        view = self.views[uri]
        tokens = self.session.model.tokenizer.tokenize(text, self.session.position_encoding)
        assert [token["id"] for token in view.tokens] == tokens.ids.tolist()
        assert [(t["from"], t["to"]) for t in view.tokens] == list(
            zip(tokens.starts.tolist(), tokens.stops.tolist(), strict=True)
        )
        assert tuple(i for i, token in enumerate(view.tokens) if token.get("segment")) == tokens.breaks
        for context in tokens.contexts():
            expected = self.model.full_pass(tokens.ids[context])
            for neuron in self.session.subscriptions():
                row = np.array(view.values[neuron["key"]][context], dtype=np.float32)
                np.testing.assert_allclose(row, expected[neuron["hook"]][:, neuron["neuron"]], atol=1e-4)
