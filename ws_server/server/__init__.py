"""Asyncio: sockets, HTTP, model workers, lifecycle and limits. The only package that does I/O."""
