"""The Python client: a session with a server, its documents, their tokens and activations.

    import asyncio
    from ws_server.client import Client

    async def main():
        async with Client("http://127.0.0.1:8740/") as client:
            await client.subscribe("L1N5", "L2N42")
            document = await client.open("It was the best of times.")
            await document.settled()
            print([token.text for token in document.tokens])
            print(document.values())            # float32 [neurons, tokens]
            document.insert(7, "indeed ")       # only what changed is computed
            print((await document.settled()).values())

    asyncio.run(main())

For notebooks and scripts without asyncio, `ws_server.client.blocking.Client` has the same methods, which wait for
their results.
Neither imports PyTorch.
"""

from .client import Client, ConnectionState
from .errors import Disconnected, ServerError
from .neurons import ChangedNeuron, TopNeuron
from .open_document import Document
from .state import Done, Token
from .text import Change

__all__ = [
    "Change",
    "ChangedNeuron",
    "Client",
    "ConnectionState",
    "Disconnected",
    "Document",
    "Done",
    "ServerError",
    "Token",
    "TopNeuron",
]
