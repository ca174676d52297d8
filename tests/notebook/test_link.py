"""A widget's connection without a notebook, on a scripted server."""

from __future__ import annotations

import asyncio

import numpy as np

from ws_server.client import Client, Document
from ws_server.conformance.scripted import ScriptedServer
from ws_server.notebook.link import Link, Snapshot

TEXT = "one two three"


async def test_a_connection_that_is_lost_before_there_is_a_document() -> None:
    lost = False

    class Unlucky(Client):
        """Its connection ends between the server's first answer and the first document."""

        async def open(self, text: str = "", uri: str | None = None) -> Document:
            nonlocal lost
            if not lost:
                lost = True
                server.disconnect()
                while self.state == "ready":  # until the client has noticed
                    await asyncio.sleep(0)
            return await super().open(text, uri)

    told: list[Snapshot] = []
    async with ScriptedServer() as server:
        link = Link(Unlucky(server.url), TEXT, None, told.append)
        link.start()
        link.want(["L0N1", "L1N2"], 1)
        snapshot = await asyncio.wait_for(link.settled(), 30)
        async with Client(server.url) as client:
            await client.subscribe("L0N1", "L1N2")
            expected = (await (await client.open(TEXT)).settled()).values()
        np.testing.assert_array_equal(snapshot.values, expected)
        assert "waiting" in [each.status for each in told]
        await link.close()
