"""Commands that wait: what is taken out does to an engine what all that was put in would have done."""

from __future__ import annotations

import threading
from queue import SimpleQueue

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from ws_server.engine.commands import Command, Evaluate, Forget, Hold, Key, Probe, Withdraw
from ws_server.engine.mailbox import Mailbox

A, B = ("session", "a"), ("session", "b")
IDS = np.zeros(1, dtype=np.int64)


def evaluate(key: Key, serial: int, submitted: float = 0.0) -> Evaluate:
    return Evaluate(key, serial, (), submitted)


def probe(key: Key, ticket: int) -> Probe:
    return Probe(key, ticket, 0, IDS, (0,), 1, False)


def drained(mailbox: Mailbox) -> list[Command]:
    commands = []
    while (command := mailbox.get(wait=False)) is not None:
        commands.append(command)
    return commands


def test_only_the_newest_evaluation_of_a_document_waits() -> None:
    mailbox = Mailbox()
    for serial in range(1000):
        mailbox.put(evaluate(A, serial, submitted=float(serial)))
        mailbox.put(evaluate(B, serial, submitted=5.0))
    assert drained(mailbox) == [evaluate(A, 999, submitted=0.0), evaluate(B, 999, submitted=5.0)]


def test_what_a_newer_command_makes_pointless_is_dropped() -> None:
    mailbox = Mailbox()
    for command in (evaluate(A, 1), probe(A, 7), Hold(A), Forget(A), evaluate(A, 2), Hold(B), evaluate(B, 3)):
        mailbox.put(command)
    assert drained(mailbox) == [Forget(A), evaluate(A, 2), evaluate(B, 3)]


def test_a_probe_can_be_withdrawn_before_and_after_it_was_taken() -> None:
    mailbox = Mailbox()
    for command in (probe(A, 1), probe(A, 2), Withdraw(A, 1), Withdraw(A, 3)):
        mailbox.put(command)
    first, second = drained(mailbox)
    assert (first.key, first.ticket) == (A, 2)  # type: ignore[union-attr]
    assert second == Withdraw(A, 3)


def test_who_waits_is_woken_by_a_command_and_by_the_end() -> None:
    mailbox = Mailbox()
    taken: SimpleQueue[Command] = SimpleQueue()

    def take() -> None:
        while (command := mailbox.get()) is not None:
            taken.put(command)

    thread = threading.Thread(target=take)
    thread.start()
    mailbox.put(Forget(A))
    assert taken.get(timeout=10) == Forget(A)
    mailbox.close()
    mailbox.put(Forget(B))
    thread.join(10)
    assert not thread.is_alive()
    assert taken.empty()
    assert len(mailbox) == 0


class State:
    """What an engine would know after some commands."""

    def __init__(self) -> None:
        self.serials: dict[Key, int] = {}
        self.held: set[Key] = set()
        self.probes: set[tuple[Key, int]] = set()
        self.emptied: set[Key] = set()
        """Documents of which nothing that was computed before is left."""

    def take(self, command: Command) -> None:
        key = command.key
        match command:
            case Evaluate():
                self.serials[key] = command.serial
                self.held.discard(key)
            case Hold():
                self.held.add(key)
            case Forget():
                self.serials.pop(key, None)
                self.held.discard(key)
                self.probes = {entry for entry in self.probes if entry[0] != key}
                self.emptied.add(key)
            case Probe():
                self.probes.add((key, command.ticket))
            case Withdraw():
                self.probes.discard((key, command.ticket))


@given(st.lists(st.tuples(st.sampled_from(["evaluate", "hold", "forget", "probe", "withdraw", "take"]), st.booleans())))
def test_taken_late_or_at_once_the_outcome_is_the_same(script: list[tuple[str, bool]]) -> None:
    mailbox, late, at_once = Mailbox(), State(), State()
    tickets: list[tuple[Key, int]] = []
    for number, (kind, first) in enumerate(script):
        key = A if first else B
        if kind == "take":
            if (taken := mailbox.get(wait=False)) is not None:
                late.take(taken)
            continue
        if kind == "evaluate":
            command: Command = evaluate(key, number)
        elif kind == "probe":
            command = probe(key, number)
            tickets.append((key, number))
        elif kind == "withdraw":
            if not tickets:
                continue
            command = Withdraw(*tickets.pop())
        else:
            command = Hold(key) if kind == "hold" else Forget(key)
        at_once.take(command)
        mailbox.put(command)
        assert len(mailbox) <= 2 * 4 + len(script)
    for left in drained(mailbox):
        late.take(left)
    assert late.serials == at_once.serials
    assert late.held & late.serials.keys() == at_once.held & at_once.serials.keys()
    assert late.probes == at_once.probes
    assert late.emptied == at_once.emptied
