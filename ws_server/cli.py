"""The command `neuroscope`."""

from __future__ import annotations

import argparse
import ipaddress
import os
import re
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from . import __version__, logs
from .config import Limits, Settings
from .engine.catalog import EMBEDDED_ID, LoadOptions, resolve_models
from .errors import StartupError
from .streams import flush_streams, open_missing_streams, print_line

_DEFAULTS = Settings()
_DEVICES = ("auto", "cpu", "cuda", "mps")
_DTYPES = ("float32", "float16", "bfloat16")


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the command; returns its exit code: 0, or 2 if it could not be carried out."""
    open_missing_streams()
    options = _parser().parse_args(arguments)
    logs.set_up(options.log_level, options.log_format)
    try:
        code: int = options.run(options)
    except StartupError as error:
        print_line(f"neuroscope: {error}", error=True)
        return 2
    except KeyboardInterrupt:
        return 0
    finally:
        flush_streams()
    return code


def _serve(options: argparse.Namespace) -> int:
    if options.tls_key is not None and options.tls_cert is None:
        raise StartupError("--tls-key needs --tls-cert, the certificate that it belongs to.")
    specs = resolve_models(tuple(options.model))
    settings = Settings(
        models=tuple(options.model),
        host=options.host,
        port=options.port,
        device=options.device,
        dtype=options.dtype,
        open_browser=options.open,
        compression=options.compression,
        allowed_origins=tuple(options.allow_origin),
        allowed_hosts=tuple(options.allow_host),
        embedders=tuple(options.allow_embed),
        token=_read_token(options.token_file),
        tls_certificate=options.tls_cert,
        tls_key=options.tls_key,
        base_path=options.base_path,
        trusted_proxies=tuple(options.trusted_proxy),
        log_format=options.log_format,
        context_tokens=options.context_tokens,
        resume_seconds=options.resume_timeout,
        slow_client_seconds=options.slow_client_timeout,
        drain_seconds=options.shutdown_timeout,
        limits=_limits(options),
    )
    # Imported late: mistakes in the command are reported at once.
    from .server.launcher import Launcher

    with Launcher(settings.log_format) as launcher:
        with suppress(OSError):  # logged when the first model starts
            launcher.prepare()
        from .server.app import run

        run(settings, specs, launcher)
    return 0


def _read_token(file: Path | None) -> str | None:
    if file is not None:
        try:
            token = file.read_text(encoding="utf-8").strip()
        except (OSError, UnicodeDecodeError):
            raise StartupError(f"The token file {str(file)!r} cannot be read.") from None
    elif not (token := os.environ.pop("NEUROSCOPE_TOKEN", "")):  # workers do not need it
        return None
    if re.fullmatch(r"[A-Za-z0-9_-]{16,}", token) is None:
        raise StartupError("A token must be at least 16 letters, digits, '-' or '_', and nothing else.")
    return token


def _bench(options: argparse.Namespace) -> int:
    from .bench import Sizes, run_bench

    sizes = Sizes(options.tokens, options.long_tokens, repetitions=options.repetitions)
    run_bench(options.model, LoadOptions(options.device, options.dtype), sizes, options.json)
    return 0


def _conformance(options: argparse.Namespace) -> int:
    from .conformance.report import run_conformance

    return run_conformance(options.url, options.token, options.clause or None, options.json)


def _tui(options: argparse.Namespace) -> int:
    try:
        from .tui.app import run_terminal
    except ImportError:
        raise StartupError("The terminal frontend needs Textual: pip install 'interactive-neuroscope[tui]'") from None
    try:
        text = options.file.read_text(encoding="utf-8") if options.file is not None else None
    except (OSError, UnicodeDecodeError):
        raise StartupError(f"The file {str(options.file)!r} cannot be read as text.") from None
    try:
        problem = run_terminal(options.url, options.token, text, options.neuron)
    except ValueError as error:
        raise StartupError(f"{error}") from None
    if problem is not None:
        raise StartupError(problem)
    return 0


def _models(options: argparse.Namespace) -> int:
    from .engine.catalog import cached_models

    print(f"{EMBEDDED_ID}\tembedded; the default")
    for name in cached_models():
        print(f"{name}\tin the local Hugging Face cache")
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="neuroscope", description="Type, and watch the neurons of a language model fire on every token."
    )
    parser.add_argument("--version", action="version", version=f"neuroscope {__version__}")
    parser.set_defaults(log_level="warning", log_format="text")
    _add_log_options(parser)
    commands = parser.add_subparsers(title="commands", required=True, metavar="COMMAND")

    serve = commands.add_parser(
        "serve",
        help="start the server and its web page",
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )
    serve.set_defaults(run=_serve)
    serve.add_argument(
        "--model",
        action="append",
        default=[],
        metavar="NAME_OR_FOLDER",
        help="a Hugging Face name, optionally NAME@REVISION, or a local folder in Hugging Face layout; "
        "may be given several times, the first is the default; none: the embedded model",
    )
    serve.add_argument("--host", default=_DEFAULTS.host, help="address to listen on")
    serve.add_argument("--port", type=_port, default=_DEFAULTS.port, help="port to listen on; 0 picks a free one")
    serve.add_argument(
        "--open",
        action=argparse.BooleanOptionalAction,
        default=_DEFAULTS.open_browser,
        help="open the browser",
    )
    serve.add_argument("--device", choices=_DEVICES, default=_DEFAULTS.device, help="where to compute")
    serve.add_argument(
        "--dtype",
        choices=_DTYPES,
        default=_DEFAULTS.dtype,
        help="precision of the weights",
    )
    serve.add_argument(
        "--context-tokens",
        type=_positive,
        default=_DEFAULTS.context_tokens,
        metavar="N",
        help="longest context to use, even if a model supports longer ones",
    )
    serve.add_argument("--compression", action="store_true", help="compress messages; worth it only on slow networks")
    _add_access_options(serve)
    _add_limit_options(serve)
    _add_log_options(serve)

    bench = commands.add_parser(
        "bench",
        help="measure what an edit costs on this machine, compared with other ways to compute the same",
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )
    bench.set_defaults(run=_bench)
    bench.add_argument("--model", metavar="NAME_OR_FOLDER", help="unset: random weights in distilgpt2's shape")
    bench.add_argument("--tokens", type=_positive, default=500, metavar="N", help="length of the text")
    bench.add_argument("--long-tokens", type=_positive, default=1000, metavar="N", help="length of the long text")
    bench.add_argument("--repetitions", type=_positive, default=15, metavar="N", help="of each measurement")
    bench.add_argument("--json", type=Path, metavar="FILE", help="also write the table to this file")
    bench.add_argument("--device", choices=_DEVICES, default=_DEFAULTS.device, help="where to compute")
    bench.add_argument("--dtype", choices=_DTYPES, default=_DEFAULTS.dtype, help="precision of the weights")

    conformance = commands.add_parser(
        "conformance", help="check that a server follows the protocol, clause by clause; exit code 1 if it does not"
    )
    conformance.set_defaults(run=_conformance)
    conformance.add_argument(
        "url", metavar="URL", help="the server, as ws://127.0.0.1:8740/ws or http://127.0.0.1:8740/"
    )
    conformance.add_argument("--token", help="the server's access token, if it requires one")
    conformance.add_argument(
        "--clause", action="append", metavar="NUMBER", help="check only this clause; may be given several times"
    )
    conformance.add_argument("--json", type=Path, metavar="FILE", help="also write the results to this file")

    tui = commands.add_parser("tui", help="edit a text in this terminal and see the neurons of a running server fire")
    tui.set_defaults(run=_tui)
    tui.add_argument("file", nargs="?", type=Path, metavar="FILE", help="a text to open; the file is not changed")
    tui.add_argument("--url", default=f"http://127.0.0.1:{_DEFAULTS.port}/", help="the server; default: %(default)s")
    tui.add_argument("--token", help="the server's access token, if it requires one")
    tui.add_argument("--neuron", action="append", default=[], metavar="L3N42", help="may be given several times")

    models = commands.add_parser("models", help="list the models that need no download")
    models.set_defaults(run=_models)
    return parser


def _add_log_options(parser: argparse.ArgumentParser) -> None:
    """These options can be given before or after the command's name."""
    group = parser.add_argument_group("what is logged, to standard error", "Texts and tokens are never logged.")
    group.add_argument(
        "--log-level",
        choices=logs.LEVELS,
        default=argparse.SUPPRESS,
        help="default: warning; info logs each connection, debug each request",
    )
    group.add_argument(
        "--log-format",
        choices=logs.FORMATS,
        default=argparse.SUPPRESS,
        help="default: text; json is one object per line",
    )


def _add_access_options(serve: argparse.ArgumentParser) -> None:
    access = serve.add_argument_group("who may connect", "Each option with several values may be given several times.")
    access.add_argument(
        "--token-file",
        type=Path,
        metavar="FILE",
        help="require the token in this file; unset: $NEUROSCOPE_TOKEN, or a new one if other machines can connect",
    )
    access.add_argument(
        "--allow-origin",
        action="append",
        default=[],
        type=_origin,
        metavar="ORIGIN",
        help="allow pages of this origin to connect, such as https://lab.example; * for all",
    )
    access.add_argument(
        "--allow-host",
        action="append",
        default=[],
        type=_host_name,
        metavar="NAME",
        help="accept this host name, too; addresses, --host and the names of --allow-origin are accepted anyway",
    )
    access.add_argument(
        "--allow-embed",
        action="append",
        default=[],
        type=_origin,
        metavar="ORIGIN",
        help="allow pages of this origin to show the page in a frame; * for all",
    )
    access.add_argument(
        "--tls-cert", type=Path, metavar="FILE", help="PEM file of a certificate: serve https: and wss:"
    )
    access.add_argument("--tls-key", type=Path, metavar="FILE", help="its private key; unset: in the same file")
    access.add_argument(
        "--base-path",
        type=_base_path,
        default=_DEFAULTS.base_path,
        metavar="PATH",
        help="path of the server behind a reverse proxy, such as /neuroscope, if the proxy passes it on unchanged",
    )
    access.add_argument(
        "--trusted-proxy",
        action="append",
        default=[],
        type=_network,
        metavar="ADDRESS",
        help="trust X-Forwarded-For and X-Forwarded-Proto from this address or network; clients then need a token",
    )


def _origin(text: str) -> str:
    if text != "*" and re.fullmatch(r"https?://(\[[0-9a-fA-F:.]+\]|[\w.-]+)(:\d+)?/?", text, re.ASCII) is None:
        raise argparse.ArgumentTypeError(f"{text!r} is not an origin such as https://lab.example or http://lab:8080")
    return text.rstrip("/")


def _host_name(text: str) -> str:
    if re.fullmatch(r"[\w.-]+", text, re.ASCII) is None:
        raise argparse.ArgumentTypeError(f"{text!r} is not a host name such as lab.example")
    return text


def _base_path(text: str) -> str:
    path = text.strip("/")
    if path and re.fullmatch(r"(?!\.{1,2}(/|$))[\w.~-]+(/(?!\.{1,2}(/|$))[\w.~-]+)*", path, re.ASCII) is None:
        raise argparse.ArgumentTypeError(f"{text!r} is not a path such as /neuroscope or /lab/neuroscope")
    return f"/{path}" if path else ""


def _network(text: str) -> str:
    try:
        ipaddress.ip_network(text, strict=False)
    except ValueError:
        raise argparse.ArgumentTypeError(
            f"{text!r} is not an address or network such as 127.0.0.1 or 10.0.0.0/8"
        ) from None
    return text


_MAXIMA = {
    "sessions": "sessions, connected or waiting to be resumed",
    "sessions_per_address": "sessions of one address",
    "documents": "open documents of one session",
    "document_characters": "characters of one document",
    "document_tokens": "tokens of one document",
    "subscriptions": "subscribed neurons of one session",
    "frame_bytes": "bytes of one message",
    "messages_per_second": "messages a second of one connection",
    "models_loaded": "models in memory at once; an unused one is unloaded for another",
}
"""The limits that are counts, and what they count; the option of `document_tokens` is `--max-document-tokens`."""


def _add_limit_options(serve: argparse.ArgumentParser) -> None:
    limits = serve.add_argument_group("limits", "They are reported to clients.")
    for name, counted in _MAXIMA.items():
        limits.add_argument(
            f"--max-{name.replace('_', '-')}",
            type=_positive,
            default=getattr(_DEFAULTS.limits, name),
            metavar="N",
            help=f"at most this many {counted}",
        )
    limits.add_argument(
        "--cache-memory",
        type=_positive,
        metavar="MIB",
        help="memory for the computed state of all models together; unset: a quarter of the machine's memory",
    )
    limits.add_argument(
        "--idle-timeout",
        type=_seconds,
        default=_DEFAULTS.limits.idle_seconds,
        metavar="SECONDS",
        help="close a connection that has been idle for this long; 0: never",
    )
    limits.add_argument(
        "--slow-client-timeout",
        type=_seconds,
        default=_DEFAULTS.slow_client_seconds,
        metavar="SECONDS",
        help="close the connection of a client that leaves pending data unread for this long",
    )
    limits.add_argument(
        "--resume-timeout",
        type=_seconds,
        default=_DEFAULTS.resume_seconds,
        metavar="SECONDS",
        help="keep the session of a dropped connection for this long",
    )
    limits.add_argument(
        "--shutdown-timeout",
        type=_seconds,
        default=_DEFAULTS.drain_seconds,
        metavar="SECONDS",
        help="on SIGTERM, wait at most this long for pending requests to be answered; Ctrl-C does not wait",
    )


def _limits(options: argparse.Namespace) -> Limits:
    return Limits(
        **{name: getattr(options, f"max_{name}") for name in _MAXIMA},
        cache_bytes=(options.cache_memory or 0) * 1024**2,
        idle_seconds=options.idle_timeout,
    )


def _seconds(text: str) -> float:
    value = float(text)
    if not 0 <= value < 1e9:
        raise argparse.ArgumentTypeError("must be a number of seconds, 0 or more")
    return value


def _port(text: str) -> int:
    value = int(text)
    if not 0 <= value <= 65535:
        raise argparse.ArgumentTypeError("a port is between 0 and 65535")
    return value


def _positive(text: str) -> int:
    value = int(text)
    if value < 1:
        raise argparse.ArgumentTypeError("must be at least 1")
    return value
