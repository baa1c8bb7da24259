"""The Hugging Face Hub by name: which files of a repository come in, and fetching them.

Only what a model needs comes: safetensors, configurations, tokenizers, the card. No code, no pickles, and
nothing that is not named here. A name is resolved to a commit first, and every file is fetched from that
commit, so that what was looked at is what comes. What came passes the gate like any upload.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Sequence
from pathlib import Path, PurePosixPath
from typing import NamedTuple

from assay.datasets.values import visible
from assay.errors import AssayError, BadInput

__all__ = ["HubFile", "HubModel", "HubName", "fetch", "hub_name", "look_up", "wanted"]

_NAME = re.compile(r"[A-Za-z0-9][\w.\-]{0,95}(?:/[A-Za-z0-9][\w.\-]{0,95})?")
_REVISION = re.compile(r"[\w.\-]{1,100}")
_COMMIT = re.compile(r"[0-9a-f]{40}")
_TAKEN = (
    re.compile(r".*\.safetensors"),
    re.compile(r"[\w.\-]+\.safetensors\.index\.json"),
    re.compile(r"(config|generation_config|adapter_config|preprocessor_config|signature|architecture)\.json"),
    re.compile(r"(tokenizer|tokenizer_config|special_tokens_map|added_tokens|vocab)\.json"),
    re.compile(r"(vocab|merges)\.txt|(tokenizer|spiece|sentencepiece\.bpe)\.model"),
    re.compile(r"README\.md"),
)
_MOST_FILES = 200
_SMALL = 64 * 2**20
"""Bytes of any file that is no safetensors."""
_SECONDS = 30.0


class HubName(NamedTuple):
    repo: str
    revision: str


class HubFile(NamedTuple):
    """`sha256` where the Hub says it (large files)."""

    path: str
    size: int
    sha256: str | None = None


class HubModel(NamedTuple):
    repo: str
    commit: str
    files: tuple[HubFile, ...]


def hub_name(said: str) -> HubName:
    """ORGANISATION/NAME, or with a branch, tag or commit: ORGANISATION/NAME@REVISION.

    Raises BadInput: anything else, addresses and paths included.
    """
    repo, at, revision = said.strip().partition("@")
    odd = ".." in repo or "--" in repo or repo.endswith((".git", "."))
    if _NAME.fullmatch(repo) is None or odd or (at and _REVISION.fullmatch(revision) is None):
        raise BadInput(
            f'"{visible(said[:120])}" is no name of a model on the Hub; write organisation/name, or '
            "organisation/name@revision."
        )
    return HubName(repo, revision or "main")


def wanted(repo: str, listed: Sequence[HubFile], most_bytes: int) -> tuple[HubFile, ...]:
    """The files that come in, sorted by path.

    Raises:
        BadInput: no safetensors among them (pickles only), code of its own, too many, too large.
    """
    by_path = {each.path: each for each in listed}
    taken = [each for path, each in sorted(by_path.items()) if any(rule.fullmatch(path) for rule in _TAKEN)]
    for each in taken:
        parts = PurePosixPath(each.path).parts
        if each.path.startswith("/") or ".." in parts or "\\" in each.path or len(parts) != 1:
            taken = [other for other in taken if other is not each]  # folders hold other exports of the model
    if not any(each.path.endswith(".safetensors") for each in taken):
        others = [path for path in by_path if path.endswith((".bin", ".pt", ".h5", ".ckpt", ".onnx"))]
        seen = f"it has {visible(', '.join(sorted(others)[:3]))}" if others else "it has no weights"
        raise BadInput(
            f"{repo} has no safetensors at its top ({seen}). Assay fetches nothing that can run; save it "
            "with save_pretrained(safe_serialization=True) where you trust it, and upload that."
        )
    if len(taken) > _MOST_FILES:
        raise BadInput(f"{repo} has {len(taken):,} files to fetch; at most {_MOST_FILES} are.")
    for each in taken:
        if not each.path.endswith(".safetensors") and each.size > _SMALL:
            raise BadInput(f"{repo}: {visible(each.path)} has {each.size:,} bytes, too many for its kind.")
    if (size := sum(each.size for each in taken)) > most_bytes:
        raise BadInput(f"{repo} has {size:,} bytes to fetch; at most {most_bytes:,} are taken in here.")
    return tuple(taken)


def look_up(name: HubName, *, most_bytes: int, endpoint: str | None = None) -> HubModel:
    """Ask the Hub for the commit of a revision and the files in it.

    Raises:
        BadInput: no such model or revision, one that wants an account, files that are not fetched.
        AssayError (code "hub"): the Hub cannot be reached.
    """
    from huggingface_hub import HfApi
    from huggingface_hub.errors import RepositoryNotFoundError, RevisionNotFoundError

    try:
        info = HfApi(endpoint=endpoint, token=False).model_info(
            name.repo, revision=name.revision, files_metadata=True, timeout=_SECONDS
        )
    except RevisionNotFoundError:
        raise BadInput(f"{name.repo} has no revision {name.revision} on the Hub.") from None
    except RepositoryNotFoundError:
        raise BadInput(f"There is no model {name.repo} on the Hub, or it wants an account.") from None
    except Exception as error:  # the library raises errors of several others; each means the same here
        raise _unreachable(error) from error
    commit = str(info.sha or "")
    if _COMMIT.fullmatch(commit) is None or (
        _COMMIT.fullmatch(name.revision) is not None and commit != name.revision
    ):
        raise BadInput(f"The Hub names no commit for {name.repo}@{name.revision}.")
    listed = [
        HubFile(str(each.rfilename), int(each.size or 0), each.lfs.sha256 if each.lfs is not None else None)
        for each in info.siblings or []
    ]
    return HubModel(name.repo, commit, wanted(name.repo, listed, most_bytes))


def fetch(
    found: HubModel,
    into: Path,
    *,
    endpoint: str | None = None,
    progress: Callable[[float], None] | None = None,
) -> list[Path]:
    """Fetch the files of the commit into the empty folder `into`; returns them.

    Raises:
        BadInput: a file that is not what the Hub announced.
        AssayError (code "hub"): the Hub cannot be reached.
    """
    from huggingface_hub import hf_hub_download

    paths: list[Path] = []
    total, done = max(sum(each.size for each in found.files), 1), 0
    for each in found.files:
        try:
            hf_hub_download(
                found.repo,
                each.path,
                revision=found.commit,
                local_dir=into,
                endpoint=endpoint,
                token=False,
                etag_timeout=_SECONDS,
            )
        except Exception as error:  # the library raises errors of several others; each means the same here
            raise _unreachable(error) from error
        path = into / each.path
        if path.is_symlink() or not path.is_file() or path.stat().st_size != each.size:
            raise BadInput(f"{found.repo}: {each.path} is not what the Hub announced; try again later.")
        if each.sha256 is not None and _digest(path) != each.sha256:
            raise BadInput(f"{found.repo}: {each.path} arrived with another SHA-256 than the Hub announced.")
        paths.append(path)
        done += each.size
        if progress is not None:
            progress(done / total)
    return paths


def _unreachable(error: Exception) -> AssayError:
    said = visible(str(error).strip().splitlines()[0][:160]) if str(error).strip() else type(error).__name__
    return AssayError(f"The Hugging Face Hub cannot be reached: {said}", code="hub")


def _digest(path: Path) -> str:
    hashed = hashlib.sha256()
    with path.open("rb") as file:
        while piece := file.read(1 << 20):
            hashed.update(piece)
    return hashed.hexdigest()
