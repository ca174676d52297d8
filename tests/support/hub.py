"""As much of the Hugging Face Hub, on loopback, as loading a model takes; `HF_ENDPOINT` names it."""

from __future__ import annotations

import hashlib
import json
import re
import threading
from collections.abc import Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

COMMIT = "0123456789abcdef0123456789abcdef01234567"


class Hub:
    """Serves model folders by their names.

    Args:
        models: folders, by name as `somebody/model`.
    """

    def __init__(self, models: Mapping[str, Path]) -> None:
        self.hurry = threading.Event()
        """Until it is set, the second half of each file of weights is held back."""
        self.requests: list[str] = []
        hub = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_HEAD(self) -> None:
                self._answer(with_body=False)

            def do_GET(self) -> None:
                self._answer(with_body=True)

            def _answer(self, *, with_body: bool) -> None:
                path = self.path.partition("?")[0]
                hub.requests.append(f"{self.command} {path}")
                if match := re.fullmatch(r"/api/models/([^/]+/[^/]+)(?:/(revision|tree)/[^/]+)?(/.+)?", path):
                    name, kind, below = match.groups()
                    if name in models:
                        content = _tree(models[name]) if kind == "tree" else _info(name, models[name])
                        return self._nothing("EntryNotFound") if below else self._json(content, with_body)
                if (match := re.fullmatch(r"/(.+?)/resolve/[^/]+/(.+)", path)) and match[1] in models:
                    file = models[match[1]] / match[2]
                    if file.is_file():
                        return self._file(file, with_body)
                    return self._nothing("EntryNotFound")
                return self._nothing("RepoNotFound")

            def _json(self, content: Any, with_body: bool) -> None:
                self._send(json.dumps(content).encode(), with_body, {"Content-Type": "application/json"})

            def _file(self, file: Path, with_body: bool) -> None:
                body = file.read_bytes()
                headers = {"ETag": f'"{_digest(file)}"', "X-Repo-Commit": COMMIT}
                self._send(body, with_body, headers, slowly=file.suffix == ".safetensors")

            def _nothing(self, code: str) -> None:
                self.send_response(404)
                self.send_header("X-Error-Code", code)
                self.send_header("X-Repo-Commit", COMMIT)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def _send(self, body: bytes, with_body: bool, headers: dict[str, str], *, slowly: bool = False) -> None:
                self.send_response(200)
                for name, value in {**headers, "Content-Length": str(len(body))}.items():
                    self.send_header(name, value)
                self.end_headers()
                if with_body:
                    half = len(body) // 2 if slowly else len(body)
                    self.wfile.write(body[:half])
                    if slowly:
                        self.wfile.flush()
                        hub.hurry.wait(60)
                    self.wfile.write(body[half:])

            def log_message(self, *_: Any) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, name="hub")
        self.endpoint = f"http://127.0.0.1:{self._server.server_address[1]}"

    def environment(self, cache: Path) -> dict[str, str]:
        """The environment of a process that uses this hub, with its own cache."""
        return {
            "HF_ENDPOINT": self.endpoint,
            "HF_HOME": str(cache),
            "HF_HUB_DISABLE_TELEMETRY": "1",
            "HF_HUB_OFFLINE": "0",
        }

    def __enter__(self) -> Hub:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.hurry.set()
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()


def _files(folder: Path) -> list[Path]:
    return sorted(path for path in folder.iterdir() if path.suffix in (".json", ".safetensors", ".txt"))


def _digest(file: Path) -> str:
    return hashlib.sha256(file.read_bytes()).hexdigest()


def _info(name: str, folder: Path) -> dict[str, Any]:
    siblings = [{"rfilename": file.name, "size": file.stat().st_size} for file in _files(folder)]
    return {"id": name, "modelId": name, "sha": COMMIT, "private": False, "tags": [], "siblings": siblings}


def _tree(folder: Path) -> list[dict[str, Any]]:
    return [
        {"type": "file", "path": file.name, "size": file.stat().st_size, "oid": _digest(file)[:40]}
        for file in _files(folder)
    ]
