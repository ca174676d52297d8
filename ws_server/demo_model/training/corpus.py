"""Gathers the text that the embedded model is trained on.

    python -m ws_server.demo_model.training.corpus [--work .training]

Every source is public domain or permissively licensed and comes from a Debian package, fetched with
`apt-get download` and unpacked with `dpkg -x` (neither needs root), or from the running interpreter's own
standard library. Written to the work folder:

    corpus/train.jsonl, corpus/heldout.jsonl    one document a line: {"source", "name", "text"}
    corpus/manifest.json                        sources, licences, packages and their checksums, sizes

Normalisation, the same for all sources: line ends are LF, Unicode form NFC, curly quotation marks become straight
ones, no white space at line ends, never more than two empty lines in a row. Prose (novels, glosses, verses) is
unwrapped to one line a paragraph; code and documentation keep their lines.

The split is by whole documents (a chapter, a module, a page, a run of 32 dictionary entries): of every source the
documents whose names hash lowest are held out until 4 % of its characters are reached. It depends on nothing else,
and a document whose text occurs twice is kept once.

This module knows nothing of tokens or tensors.
"""

from __future__ import annotations

import argparse
import gzip
import hashlib
import json
import re
import struct
import subprocess
import sys
import sysconfig
import unicodedata
import zlib
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

HELD_OUT_SHARE = 0.04
DEFAULT_WORK = Path(".training")


@dataclass(frozen=True)
class Document:
    """One piece of text that is wholly in the training part or wholly held out."""

    source: str
    name: str
    text: str


@dataclass(frozen=True)
class Source:
    """One origin of text: `read(root)` yields (name, text); `root` is where `package` was unpacked."""

    name: str
    title: str
    licence: str
    package: str | None  # Debian package, or None for the running interpreter
    read: Callable[[Path], Iterator[tuple[str, str]]]


def normalise(text: str) -> str:
    """The normalisation described at the top of the module."""
    text = unicodedata.normalize("NFC", text.replace("\r\n", "\n").replace("\r", "\n"))
    text = text.translate({0x2018: "'", 0x2019: "'", 0x201C: '"', 0x201D: '"', 0x00B4: "'", 0x0C: None, 0xFEFF: None})
    text = re.sub(r"[ \t]+$", "", text, flags=re.MULTILINE)
    return re.sub(r"\n{4,}", "\n\n\n", text).strip("\n") + "\n"


def unwrap(text: str) -> str:
    """Joins the lines of each paragraph (paragraphs are separated by empty lines)."""
    return "\n\n".join(" ".join(part.split()) for part in re.split(r"\n\s*\n", text) if part.strip())


# --- R data ---------------------------------------------------------------------------------------------------


def r_string_vector(data: bytes) -> list[str]:
    """Reads a character vector from R's binary (XDR) serialisation, format version 3.

    Only what R data packages of plain text need: one STRSXP at the top; its attributes are not read.
    Format: "R Internals", section 1.8, Serialization Formats.
    """
    if data[:2] != b"X\n":
        raise ValueError("not R's binary serialisation")
    (encoding_length,) = struct.unpack_from(">i", data, 14)
    at = 18 + encoding_length
    flags, length = struct.unpack_from(">ii", data, at)
    if flags & 0xFF != 16:
        raise ValueError(f"expected a character vector (type 16), found type {flags & 0xFF}")
    at += 8
    strings = []
    for _ in range(length):
        flags, size = struct.unpack_from(">ii", data, at)
        at += 8
        if size >= 0:  # -1 is NA
            strings.append(data[at : at + size].decode("latin-1" if flags & (1 << 14) else "utf-8"))
            at += size
    return strings


def r_lazy_data(folder: Path) -> dict[str, list[str]]:
    """The character vectors of an R package's lazy-load database (`Rdata.rdb` with its index `Rdata.rdx`)."""
    index = gzip.decompress((folder / "Rdata.rdx").read_bytes())
    blob = (folder / "Rdata.rdb").read_bytes()
    # The index lists, for every variable, an integer vector (type 13) of length 2: offset and size in the blob.
    spans = [struct.unpack(">ii", m.group(1)) for m in re.finditer(rb"\0\0\0\x0d\0\0\0\x02(.{8})", index, re.DOTALL)]
    names = [m.group(1).decode() for m in re.finditer(rb"\0\x04\0\x09\0\0\0.([A-Za-z]+)", index, re.DOTALL)]
    names = names[names.index("names") + 1 :][: len(spans)]
    vectors = {}
    for name, (offset, size) in zip(names, spans, strict=True):
        # Four bytes of uncompressed length stand before the zlib stream.
        vectors[name] = r_string_vector(zlib.decompress(blob[offset + 4 : offset + size]))
    return vectors


# --- readers ---------------------------------------------------------------------------------------------------


def chapters(title: str, lines: Iterable[str]) -> Iterator[tuple[str, str]]:
    """Cuts a novel at its CHAPTER headings; `_emphasis_` marks are dropped, paragraphs unwrapped.

    The numbers in the names only tell the parts apart.
    """
    text = "\n".join(lines).replace("_", "")
    parts = re.split(r"(?m)^(?=\s*CHAPTER\b)", text, flags=re.IGNORECASE)
    for number, part in enumerate(parts):
        if len(part) > 200:
            yield f"{title}/{number:03}", unwrap(part)


def read_austen(root: Path) -> Iterator[tuple[str, str]]:
    for title, lines in r_lazy_data(root / "usr/lib/R/site-library/janeaustenr/data").items():
        yield from chapters(title, lines)


def read_moby_dick(root: Path) -> Iterator[tuple[str, str]]:
    (lines,) = r_lazy_data(root / "usr/lib/R/site-library/tokenizers/data").values()
    yield from chapters("mobydick", "\n".join(lines).split("\n"))


BIBLE_BOOKS = """
    Genesis Exodus Leviticus Numbers Deuteronomy Joshua Judges Ruth 1_Samuel 2_Samuel 1_Kings 2_Kings
    1_Chronicles 2_Chronicles Ezra Nehemiah Esther Job Psalms Proverbs Ecclesiastes Song_of_Solomon Isaiah Jeremiah
    Lamentations Ezekiel Daniel Hosea Joel Amos Obadiah Jonah Micah Nahum Habakkuk Zephaniah Haggai Zechariah
    Malachi Matthew Mark Luke John Acts Romans 1_Corinthians 2_Corinthians Galatians Ephesians Philippians
    Colossians 1_Thessalonians 2_Thessalonians 1_Timothy 2_Timothy Titus Philemon Hebrews James 1_Peter 2_Peter
    1_John 2_John 3_John Jude Revelation
"""


def read_bible(root: Path) -> Iterator[tuple[str, str]]:
    """One document a chapter: "Genesis 1", then a line a verse, "1:1 In the beginning ...".

    The package's data file is a table of windows, each the body of a Unix `compress` stream, which gzip can read.
    """
    data = (root / "usr/lib/bible.data").read_bytes()
    (windows,) = struct.unpack_from(">I", data, 0x58)
    starts = struct.unpack_from(f">{windows + 1}I", data, 0x5C)
    text = b"".join(
        subprocess.run(["gzip", "-dc"], input=b"\x1f\x9d\x90" + data[a:b], stdout=subprocess.PIPE, check=True).stdout
        for a, b in zip(starts, (*starts[1:], len(data)), strict=True)
    ).decode("ascii")
    books: list[str] = []
    verses: dict[tuple[str, int], list[str]] = {}
    for line in text.split("\n"):
        match = re.fullmatch(r"(\d?[A-Z][A-Za-z]*)(\d+):(\d+) (.*)", line)
        if match:
            book, chapter, verse, words = match.groups()
            if book not in books:
                books.append(book)
            verses.setdefault((book, int(chapter)), []).append(f"{chapter}:{verse} {words}")
    titles = {short: full.replace("_", " ") for short, full in zip(books, BIBLE_BOOKS.split(), strict=True)}
    for (book, chapter), lines in verses.items():
        yield f"{titles[book]} {chapter}", f"{titles[book]} {chapter}\n" + "\n".join(lines)


SKIPPED_MODULES = re.compile(r"(^|/)(test|tests|idle_test|site-packages|encodings|pydoc_data|__pycache__|config-.*)/")


def read_standard_library(root: Path) -> Iterator[tuple[str, str]]:
    """One document a module; without tests, character tables, generated text and what is installed beside it."""
    del root
    library = Path(sysconfig.get_path("stdlib"))
    for path in sorted(library.rglob("*.py")):
        name = path.relative_to(library).as_posix()
        if SKIPPED_MODULES.search(name) or name.startswith("_sysconfigdata"):
            continue
        text = path.read_text(encoding="utf-8", errors="ignore")
        if len(text) > 200:
            yield name, text


def plain_rst(text: str) -> str:
    """reStructuredText with its roles, labels and housekeeping directives taken out; code blocks stay as they are."""
    text = re.sub(
        r"(?m)^\.\. (_|index|module|moduleauthor|sectionauthor|highlight|toctree).*\n(?:[ \t]+.*\n)*",
        "",
        text,
    )
    text = re.sub(r":[a-z:+-]+:`([^`<]*?)\s*<[^`>]*>`", r"\1", text)
    text = re.sub(r":[a-z:+-]+:`[!~]?([^`]*)`", r"\1", text)
    text = re.sub(r"``([^`\n]+)``", r"\1", text)
    text = re.sub(r"(?m)^(\s*)\.\. (note|warning|seealso)::", lambda m: f"{m[1]}{m[2].capitalize()}:", text)
    text = re.sub(r"(?m)^(\s*)\.\. (?:[a-z:]+)::[ \t]*", r"\1", text)
    return re.sub(r"(?m)::$", ":", text)


def read_python_docs(root: Path) -> Iterator[tuple[str, str]]:
    """One document a page, from the reStructuredText that the HTML was made from."""
    pages = root / "usr/share/doc/python3.11/html/_sources"
    for path in sorted(pages.rglob("*.rst.txt")):
        yield path.relative_to(pages).as_posix(), plain_rst(path.read_text(encoding="utf-8"))


def read_wordnet(root: Path) -> Iterator[tuple[str, str]]:
    """Glosses with their example sentences, "word, other word (noun): gloss"; a document is a run of 32 entries."""
    for part in ("noun", "verb", "adj", "adv"):
        entries = []
        for line in (root / f"usr/share/wordnet/data.{part}").read_text(encoding="utf-8").splitlines():
            if line.startswith("  "):
                continue  # the licence at the top of each file
            fields, gloss = line.split(" | ", 1)
            columns = fields.split()
            words = [
                re.sub(r"\(.*\)", "", word).replace("_", " ") for word in columns[4 : 4 + 2 * int(columns[3], 16) : 2]
            ]
            entries.append(f"{', '.join(words)} ({part}): {gloss.strip()}")
        for start in range(0, len(entries), 32):
            yield f"{part}/{start:06}", "\n".join(entries[start : start + 32])


def read_jargon(root: Path) -> Iterator[tuple[str, str]]:
    """One document an entry of the Jargon File; references in braces are freed of them."""
    text = gzip.decompress((root / "usr/share/dictd/jargon.dict.dz").read_bytes()).decode("utf-8")
    for entry in re.split(r"\n(?=\S)", text):
        head, _, body = entry.partition("\n")
        if len(body) > 200 and not head.startswith("00-"):
            body = re.sub(r"(?m)^    ", "", re.sub(r"[{}]", "", body))
            paragraphs = re.split(r"\n\s*\n", body)
            yield (
                head,
                "\n\n".join([head, *(p if re.search(r"(?m)^\s", p) else unwrap(p) for p in paragraphs)]),
            )


SOURCES = (
    Source(
        "austen",
        "Jane Austen, six novels",
        "public domain (packaging: MIT)",
        "r-cran-janeaustenr",
        read_austen,
    ),
    Source(
        "mobydick",
        "Herman Melville, Moby-Dick",
        "public domain (packaging: MIT)",
        "r-cran-tokenizers",
        read_moby_dick,
    ),
    Source("bible", "King James Bible", "public domain", "bible-kjv-text", read_bible),
    Source("stdlib", "Python standard library source", "PSF-2.0", None, read_standard_library),
    Source("pydocs", "Python documentation", "PSF-2.0, examples also 0BSD", "python3.11-doc", read_python_docs),
    Source(
        "wordnet",
        "WordNet 3.0 glosses and examples",
        "WordNet 3.0 licence (permissive)",
        "wordnet-base",
        read_wordnet,
    ),
    Source("jargon", "The Jargon File 4.4.7", "public domain", "dict-jargon", read_jargon),
)

# --- gathering ----------------------------------------------------------------------------------------------------


def unpacked(package: str, work: Path) -> tuple[Path, Path]:
    """Fetches and unpacks a Debian package; both steps are left out when done before. Returns (root, deb file)."""
    debs, root = work / "debs", work / "packages" / package
    debs.mkdir(parents=True, exist_ok=True)
    found = sorted(debs.glob(f"{package}_*.deb"))
    if not found:
        subprocess.run(["apt-get", "download", "-q", package], cwd=debs, check=True, stdout=sys.stderr)
        found = sorted(debs.glob(f"{package}_*.deb"))
    if not root.exists():
        root.mkdir(parents=True)
        subprocess.run(["dpkg", "-x", str(found[-1]), str(root)], check=True)
    return root, found[-1]


def split(documents: list[Document]) -> tuple[list[Document], list[Document]]:
    """(training, held out) documents of one source; see the top of the module."""
    budget = HELD_OUT_SHARE * sum(len(d.text) for d in documents)
    held_out: set[str] = set()
    for document in sorted(documents, key=lambda d: hashlib.sha256(f"{d.source}/{d.name}".encode()).digest()):
        if budget <= 0:
            break
        if len(document.text) <= 2 * budget:  # one huge document must not be all that is held out
            held_out.add(document.name)
            budget -= len(document.text)
    return [d for d in documents if d.name not in held_out], [d for d in documents if d.name in held_out]


def write_documents(path: Path, documents: list[Document]) -> str:
    """Writes one JSON object a line; returns the file's SHA-256."""
    lines = [json.dumps({"source": d.source, "name": d.name, "text": d.text}, ensure_ascii=False) for d in documents]
    data = ("\n".join(lines) + "\n").encode("utf-8")
    path.write_bytes(data)
    return hashlib.sha256(data).hexdigest()


def read_documents(path: Path) -> list[Document]:
    """The documents of `train.jsonl` or `heldout.jsonl`, in file order."""
    with path.open(encoding="utf-8") as lines:
        return [Document(**json.loads(line)) for line in lines]


def gather(work: Path) -> dict[str, object]:
    """Writes the corpus below `work`; returns the manifest."""
    corpus = work / "corpus"
    corpus.mkdir(parents=True, exist_ok=True)
    training: list[Document] = []
    held_out: list[Document] = []
    seen: set[str] = set()
    sources = []
    for source in SOURCES:
        entry: dict[str, object] = {"name": source.name, "title": source.title, "licence": source.licence}
        root = work
        if source.package:
            root, deb = unpacked(source.package, work)
            entry |= {"package": deb.name, "package_sha256": hashlib.sha256(deb.read_bytes()).hexdigest()}
        else:
            entry |= {"package": f"CPython {sys.version.split()[0]}"}
        documents = []
        for name, text in source.read(root):
            text = normalise(text)
            if text not in seen:
                seen.add(text)
                documents.append(Document(source.name, name, text))
        kept, held = split(documents)
        training += kept
        held_out += held
        sources.append(
            entry
            | {
                "train_documents": len(kept),
                "train_bytes": sum(len(d.text.encode()) for d in kept),
                "heldout_documents": len(held),
                "heldout_bytes": sum(len(d.text.encode()) for d in held),
            }
        )
        print(json.dumps(sources[-1]), file=sys.stderr)
    manifest: dict[str, object] = {
        "sources": sources,
        "train_sha256": write_documents(corpus / "train.jsonl", training),
        "heldout_sha256": write_documents(corpus / "heldout.jsonl", held_out),
    }
    (corpus / "manifest.json").write_text(json.dumps(manifest, indent=2) + "\n", encoding="utf-8")
    return manifest


def main() -> None:
    parser = argparse.ArgumentParser(description="Gather the text that the embedded model is trained on.")
    parser.add_argument("--work", type=Path, default=DEFAULT_WORK, help="work folder (default: %(default)s)")
    gather(parser.parse_args().work)


if __name__ == "__main__":
    main()
