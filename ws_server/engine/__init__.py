"""Computes activations of token ids; knows no text, no sockets and no event loop.

`commands` is the plain data that goes in and comes out; `catalog`, `contexts` and `statistics` do without torch
and may be imported anywhere. Everything else runs inside a model worker, a process of its own.
"""
