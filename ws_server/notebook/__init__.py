"""A frontend for Jupyter notebooks: an editor in a cell whose tokens are coloured by neurons as you type.

    import ws_server.notebook as neuroscope

    widget = neuroscope.Widget("It was the best of times.", ["L1N5", "L2N42"])
    widget                                  # as the last line of a cell, shows it
    widget.values                           # float32 [neurons, tokens], of the current text
    widget.text = "It was the worst of times."
    widget.data                             # a pandas frame, one row per token

Built on the Python client: the kernel talks to the server, the browser only to the kernel, so it works wherever the
notebook does. Needs the extra `notebook`.
"""

try:
    from .widget import Widget
except ModuleNotFoundError as error:
    if error.name is None or error.name.partition(".")[0] not in ("anywidget", "ipywidgets", "traitlets"):
        raise
    raise ModuleNotFoundError(
        f"The notebook widget needs {error.name}: pip install 'interactive-neuroscope[notebook]'", name=error.name
    ) from None

__all__ = ["Widget"]
