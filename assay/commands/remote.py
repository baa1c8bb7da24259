"""`assay login`, `push`, `wait`, and `audit` and `gate` with --server: the service does the work."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any
from uuid import UUID

from assay.commands.data_options import DataOptions
from assay.errors import AssayError, BadInput

if TYPE_CHECKING:
    from assay.commands.audit import AuditOptions
    from assay.commands.endpoint import EndpointOptions
    from assay.remote.client import Client
    from assay.remote.push import Pusher

__all__ = ["PushOptions", "audit_on_server", "gate_on_server", "login", "push", "service", "wait"]

Progress = Callable[[str, float], None]


@dataclass(frozen=True, kw_only=True)
class PushOptions(DataOptions):
    """What `assay push` was asked to bring."""

    system: str
    model: Path | None = None
    base: str | None = None
    endpoint: EndpointOptions | None = None
    model_name: str | None = None
    version: str = ""
    """A name of people's own for what is brought."""
    hub: str | None = None
    signature: Path | None = None
    data: Path | None = None
    data_name: str | None = None
    disjoint: bool = False
    new_version: bool = False


def login(server: str, token: str) -> int:
    """Try a token, then remember it."""
    from assay.remote.client import Client
    from assay.remote.servers import Login, clean_address, keep_login

    found = Login(clean_address(server), token.strip())
    with Client(found) as client:
        me = client.get("/me")
    keep_login(found)
    print(
        f"Signed in to {found.server} as {me['name']}, {me['role']} at {me['organisation']['name']}; "
        f"the token may {', '.join(me['scopes'])}."
    )
    return 0


def push(options: PushOptions) -> int:
    """Bring a model, data, or both to a service."""
    from assay.remote.push import Pusher

    predicted = options.predictions is not None or options.scores is not None
    models = (options.model, options.hub, options.endpoint, predicted or None)
    if sum(given is not None for given in models) > 1:
        raise BadInput("Give one of --model PATH, --hub NAME, --endpoint URL and --predictions (--scores).")
    files = _files(options)
    if not any(models) and not files:
        raise BadInput(
            "There is nothing to push: give --model PATH (or --endpoint URL), or --data FILE, or both."
        )
    if options.signature is not None and options.model is None and options.endpoint is None:
        raise BadInput("--signature says what a model reads and answers; give --model PATH with it.")
    if options.base is not None and options.model is None:
        raise BadInput("--base names what an adapter changes; give the adapter with --model PATH.")
    options.check_joins()
    description = _description(options)
    asked = options.endpoint.request(options.signature) if options.endpoint is not None else None
    with service() as client, _bar() as progress:
        pusher = Pusher(client, options.system, progress, again=options.new_version)
        model = data = None
        if options.model is not None:
            name = options.model_name or options.model.stem
            signature = _signature(options.signature)
            base = pusher.base(options.base) if options.base is not None else None
            model = pusher.model(options.model, name, label=options.version, signature=signature, base=base)
        elif options.hub is not None:
            name = options.model_name or options.hub.partition("@")[0].rpartition("/")[2]
            model = pusher.from_hub(options.hub, name, label=options.version)
        elif asked is not None:
            model = pusher.endpoint(asked, options.model_name or asked.model, label=options.version)
        elif predicted:
            model = _predictions(pusher, options, options.model_name, options.version)
        if files:
            name = options.data_name or next(iter(files.values())).stem
            data = pusher.data(files, name, description, label=options.version, disjoint=options.disjoint)
    if model is not None:
        said = f"{_there(model)}{model['format']} · sha256 {model['sha256'][:12]}…"
        print(f"model version   {model['id']}   {said}")
        if model.get("gate"):
            print(f"                class {model['gate']['trust']}, came in as {model['gate']['came_as']}")
        if model.get("claims"):
            papers = " and ".join(model["claims"]["sources"])
            print(f"                claims of {papers} are kept with it, as claims")
    if data is not None:
        print(f"dataset version {data['id']}   {_there(data)}sha256 {data['sha256'][:12]}…")
    return 0


def _there(version: dict[str, Any]) -> str:
    return f"already there as version {version['number']} · " if version["known"] else ""


def _files(options: AuditOptions | PushOptions) -> dict[str, Path]:
    """Row role -> file of it, of those that were given."""
    found = {
        "test": options.data,
        "training": options.train,
        "tuning": options.tuning,
        "asked": options.asked,
        "attributes": options.attributes,
        "predictions": options.predictions_file,
    }
    return {role: path for role, path in found.items() if path is not None}


def _predictions(pusher: Pusher, options: DataOptions, name: str | None, label: str = "") -> dict[str, Any]:
    """Columns of predictions as a version of a model that goes by `name`, or by the column."""
    return pusher.predictions(
        name or options.predictions or options.scores or "",
        predictions=options.predictions,
        scores=options.scores,
        threshold=options.threshold,
        label=label,
    )


def audit_on_server(options: AuditOptions, system: str | None, *, stay: bool) -> int:
    """Push model and data, start the audit there, wait for it, and fetch what it wrote."""
    from assay.remote.push import Pusher

    _refuse_local_only(options)
    name = options.data.name.partition(".")[0]
    with service() as client:
        with _bar() as progress:
            pusher = Pusher(client, system or options.title or name, progress)
            data = pusher.data(_files(options), name, _description(options))
            if options.model is not None:
                signature = _signature(options.signature)
                base = pusher.base(str(options.base)) if options.base is not None else None
                model = pusher.model(options.model, options.model.stem, signature=signature, base=base)
            elif options.endpoint is not None:
                asked = options.endpoint.request(options.signature, options.seed or 0)
                model = pusher.endpoint(asked, asked.model)
            else:
                model = _predictions(pusher, options, None)
        for what, version in (("model", model), ("dataset", data)):
            if version["known"]:
                there = f"already there as version {version['number']}"
                print(f"{what} version {version['id']}   {there}", file=sys.stderr)
        run = client.post("/audits", _new_run(client, options, model["id"], data["id"]))
        print(f"audit {run['number']}   {run['id']}   on {client.server}", file=sys.stderr)
        if not stay:
            print(run["id"])
            return 0
        return _await(client, run["id"], options.out)


def wait(run: str, out: Path | None) -> int:
    """Wait for an audit of the service; its exit code is the command line's."""
    with service() as client:
        return _await(client, _run_id(client, run), out)


def gate_on_server(before: str, after: str) -> int:
    """Let a run of the service through only if no pillar became worse."""
    with service() as client:
        found = client.get(f"/audits/{_run_id(client, before)}/gate/{_run_id(client, after)}")
    print(found["sentence"])
    for reason in found["reasons"]:
        print(f"  {reason}")
    code = int(found["exit_code"])
    print(f"exit {code}")
    return code


def _await(client: Client, run: str, out: Path | None) -> int:
    with _bar() as progress:
        for far in client.polled(f"/audits/{run}/progress"):
            if far["ended"]:
                break
            progress(far["sentence"], far["percent"] / 100)
    found = client.get(f"/audits/{run}")
    if found["snapshot_digest"] and out is not None:
        _fetch(client, found, out)
    ended = client.get(f"/audits/{run}/exit-code")
    print(f"audit {found['number']} {found['state']}: {ended['sentence']}")
    if found["snapshot_digest"]:
        print(f"snapshot  {found['snapshot_digest'][:12]}   result {found['result_digest'][:12]}…")
    print(f"exit {ended['exit_code']}")
    return int(ended["exit_code"])


def _fetch(client: Client, run: dict[str, Any], out: Path) -> None:
    """evidence.json as the service froze it, checked against its digest, and the draft report."""
    from assay.evidence import loads, snapshot_digest
    from assay.output import write_all

    content = client.bytes(f"/audits/{run['id']}/evidence.json")
    if snapshot_digest(loads(content)) != run["snapshot_digest"]:
        raise AssayError("The evidence that came is not what the service froze.", code="server")
    files = {"evidence.json": content}
    made = client.post(f"/audits/{run['id']}/report")
    for document in client.polled(f"/reports/{made['id']}"):
        if document["state"] == "ready":
            files["report.pdf"] = client.bytes(f"/reports/{made['id']}/report.pdf")
        if document["state"] in ("ready", "failed"):
            break
    write_all(out, files)
    for name in files:
        print(f"{name.partition('.')[0]:<9} {out / name}")


def _signature(file: Path | None) -> dict[str, Any] | None:
    from assay.intake.model_files import read_signature

    return None if file is None else read_signature(file).model_dump(mode="json")


def _run_id(client: Client, said: str) -> str:
    """The id of an audit that was named by id or number."""
    try:
        return str(UUID(said))
    except ValueError:
        pass
    for run in client.pages("/audits", q=said) if said.isdigit() else ():
        if str(run["number"]) == said:
            return str(run["id"])
    raise BadInput(f'There is no audit "{said}" on {client.server}; give its number or id.')


def _new_run(client: Client, options: AuditOptions, model: str, data: str) -> dict[str, Any]:
    body: dict[str, Any] = {
        "model_version": model,
        "dataset_version": data,
        "title": options.title or "",
        "start": True,
        "tier": options.tier,
        "seed": options.seed,
        "methods": list(options.methods) if options.methods else None,
        "policy": _policy(client, options.policy),
        "baseline": _run_id(client, options.baseline) if options.baseline else None,
    }
    return {key: value for key, value in body.items() if value is not None}


def _policy(client: Client, said: str | None) -> str | None:
    """A pack's name as it is; a file becomes a policy of the organisation."""
    if said is None or not Path(said).is_file():
        return said
    from assay.policy import load_policy

    policy, content = load_policy(said)
    text = content.decode()
    known = next((p for p in client.pages("/policies") if p["name"] == policy.title), None)
    path = "/policies" if known is None else f"/policies/{known['id']}/versions"
    return str(client.post(path, {"toml": text})["id"])


def _description(options: DataOptions) -> dict[str, Any]:
    """The options as the service's DataDescription."""
    said = {**options.columns(), "header": options.header}
    return {key: value for key, value in said.items() if value or value is False}


def _refuse_local_only(options: AuditOptions) -> None:
    for name, given in (
        ("--plan", options.plan_only),
        ("--device", options.device != "auto"),
    ):
        if given:
            raise BadInput(f"{name} belongs to audits on this machine; leave it out with --server.")
    modelled = options.model is not None or options.endpoint is not None
    predicted = options.predictions is not None or options.scores is not None
    if not modelled and not predicted:
        raise BadInput("An audit needs a model or predictions: give --model, --predictions or --scores.")
    if modelled and predicted:
        raise BadInput(
            "A service audits a model, or predictions that came with the data: with --server give --model "
            "or --predictions (--scores)."
        )
    if options.signature is not None and not modelled:
        raise BadInput("--signature says what a model reads and answers; give --model PATH with it.")
    options.check_joins()


def service() -> Client:
    """The service that this person is signed in to. Raises BadInput where there is none."""
    from assay.remote.client import Client
    from assay.remote.servers import find_login

    return Client(find_login(None))


@contextlib.contextmanager
def _bar() -> Iterator[Progress]:
    from assay.progress import progress_bar

    with progress_bar(None) as watching:
        yield watching.progress
