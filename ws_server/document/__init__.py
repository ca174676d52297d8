"""Versioned text, offsets, tokens and contexts; knows nothing of models, sockets or the event loop."""
