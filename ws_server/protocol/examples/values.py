"""Prints each token of a text with the activations of two neurons.

python values.py ws://127.0.0.1:8740/ws "Some text"
"""

import asyncio
import json
import sys

from websockets.asyncio.client import connect


async def main(url: str, text: str) -> None:
    async with connect(url) as socket:
        for method, params in (
            ("initialize", {"protocolVersion": 1, "client": {"name": "example"}}),
            ("neurons/subscribe", {"neurons": ["L0N1", "L1N2"]}),
            ("document/open", {"uri": "a", "version": 1, "text": text}),
        ):
            await socket.send(json.dumps({"jsonrpc": "2.0", "id": method, "method": method, "params": params}))
        tokens: list[dict[str, str]] = []
        rows: list[list[float]] = [[], []]
        async for frame in socket:
            message = json.loads(frame)
            if message.get("method") == "document/tokens":  # of a newly opened text, in order
                tokens += message["params"]["tokens"]
            elif message.get("method") == "activations/update":
                rows = [row + new for row, new in zip(rows, message["params"]["values"], strict=True)]
            elif message.get("method") == "activations/done":
                break
        for token, one, other in zip(tokens, *rows, strict=True):
            print(f"{json.dumps(token['text'])} {one:.3f} {other:.3f}")


asyncio.run(main(*sys.argv[1:3]))
