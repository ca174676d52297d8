"""The models that a server offers: names and folders, resolved without torch and without the network."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

import orjson

from ..errors import StartupError

EMBEDDED_FOLDER = Path(__file__).parent.parent / "demo_model"
EMBEDDED_ID = "neuroscope-demo"

_HUB_NAME = re.compile(r"(?!.*(--|\.\.))\w([\w.-]{0,94}\w)?(/\w([\w.-]{0,94}\w)?)?", re.ASCII)
"""`owner/name`, or `name` alone, by the rules of the Hugging Face Hub."""


@dataclass(frozen=True, slots=True)
class ModelSpec:
    """One model that clients can choose.

    Attributes:
        id: its name for clients; reveals nothing of the file system.
        source: a local folder in Hugging Face layout, or a Hub name.
        revision: branch, tag or commit on the Hub; None for its default or a folder.
    """

    id: str
    title: str
    source: str
    revision: str | None = None
    description: str | None = None

    @property
    def folder(self) -> Path | None:
        """The local folder, if it is one."""
        path = Path(self.source)
        return path if path.is_dir() else None


@dataclass(frozen=True, slots=True)
class LoadOptions:
    """How models are loaded: `device` is auto, cpu, cuda or mps; `dtype` float32, float16 or bfloat16."""

    device: str = "auto"
    dtype: str = "float32"
    context_tokens: int = 8192
    """The longest context, even if a model supports longer ones."""


def embedded_model() -> ModelSpec:
    """The small model that comes with the package."""
    return ModelSpec(
        EMBEDDED_ID,
        "Neuroscope demo model",
        str(EMBEDDED_FOLDER),
        description="A small GPT-2-style model of English prose and Python, part of this package.",
    )


def resolve_models(names: tuple[str, ...]) -> list[ModelSpec]:
    """The models for the names of a command line; the embedded model if there are none.

    Raises:
        StartupError: a name looks like a folder that does not exist, or a folder holds no model.
    """
    specs = [_resolve(name) for name in names] or [embedded_model()]
    seen: dict[str, ModelSpec] = {}
    for spec in specs:
        if spec.id in seen:
            raise StartupError(f"Two models would have the name {spec.id!r}; rename one folder.")
        seen[spec.id] = spec
    return specs


def _resolve(name: str) -> ModelSpec:
    if name == EMBEDDED_ID:
        return embedded_model()
    if not name:
        raise StartupError("The name of a model is empty.")
    try:
        path = Path(name).expanduser()
        if path.is_dir():
            return _local(path.resolve())
    except (OSError, RuntimeError):  # the name is too long, or the home is nobody's
        raise StartupError(f"There is no model folder {name!r}.") from None
    looks_like_path = name.startswith((".", "/", "~", "\\")) or path.is_absolute() or path.exists()
    if looks_like_path or name.count("/") > 1:
        raise StartupError(f"There is no model folder {name!r}.")
    hub_name, at, revision = name.partition("@")
    if _HUB_NAME.fullmatch(hub_name) is None or (at and not revision.strip()):
        raise StartupError(f"{name!r} is neither a folder nor a name on the Hugging Face Hub.")
    return ModelSpec(name, hub_name, hub_name, revision or None)


def _local(folder: Path) -> ModelSpec:
    try:
        config = orjson.loads((folder / "config.json").read_bytes())
    except FileNotFoundError:
        raise StartupError(f"{str(folder)!r} is not a model folder: it has no config.json.") from None
    except OSError as error:
        raise StartupError(f"{str(folder / 'config.json')!r} cannot be read: {error.strerror}.") from None
    except ValueError:
        raise StartupError(f"{str(folder)!r} is not a model folder: its config.json is not JSON.") from None
    if not isinstance(config, dict):
        raise StartupError(f"{str(folder)!r} is not a model folder: its config.json is not a JSON object.")
    if not any(folder.glob("*.safetensors")):
        raise StartupError(
            f"{str(folder)!r} holds no *.safetensors weights (other formats can run code and are not read)."
        )
    _check_index(folder)
    if not (folder / "tokenizer.json").is_file():
        raise StartupError(f"{str(folder)!r} has no tokenizer.json, the format of fast tokenizers.")
    return ModelSpec(folder.name, folder.name, str(folder))


def _check_index(folder: Path) -> None:
    """Checks that an index of weights in several files names files of this folder only."""
    index = folder / "model.safetensors.index.json"
    if not index.exists():
        return
    try:
        files = set(orjson.loads(index.read_bytes())["weight_map"].values())
    except (OSError, ValueError, LookupError, TypeError, AttributeError):
        raise StartupError(f"{str(index)!r} is not an index of weights.") from None
    for name in files:
        if not isinstance(name, str) or not name.endswith(".safetensors") or not (folder / name).is_file():
            raise StartupError(f"{str(index)!r} names {name!r}, which is not a *.safetensors file of this folder.")
        if Path(name).name != name:
            raise StartupError(f"{str(index)!r} names {name!r}, which is outside of its folder.")


def cached_models() -> list[str]:
    """Names of the models in the local Hugging Face cache that may be servable; loads none."""
    from huggingface_hub import CacheNotFound, scan_cache_dir

    try:
        cache = scan_cache_dir()
    except CacheNotFound:
        return []
    return sorted(
        repository.repo_id
        for repository in cache.repos
        if repository.repo_type == "model"
        and _has_weights({file.file_name for r in repository.revisions for file in r.files})
    )


def _has_weights(names: set[str]) -> bool:
    return "config.json" in names and any(name.endswith(".safetensors") for name in names)
