"""Asyncio: sockets, HTTP, model workers, lifecycle and limits. The only room that does I/O."""
