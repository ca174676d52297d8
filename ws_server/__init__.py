"""Interactive Neuroscope: live activations of language-model neurons over one websocket."""

__version__ = "0.1.0"
