"""`python -I poorer_host.py LAYER MODEL ...`: supervise a child on a machine whose kernel lacks one layer.

The lack is real: this process refuses itself, and so its children, the call behind the layer. Prints a JSON
line {layers, said} a model: what the gate said, or the format that was loaded.
"""

from __future__ import annotations

import json
import platform
import sys

from assay.contracts import ModelRequest
from assay.errors import AssayError
from assay.runner.libc import prctl
from assay.runner.seccomp import Rule, Test, assemble, install
from assay.runner.supervisor import Supervisor
from assay.runner.syscalls import NUMBERS

NUMBERS["landlock_create_ruleset"] = (444, 444)
_PR_SET_NO_NEW_PRIVS, _PR_SET_SECCOMP = 38, 22
LACKING = {
    "namespaces": Rule("unshare"),
    "landlock": Rule("landlock_create_ruleset"),
    "seccomp": Rule("prctl", when=(Test(0, (_PR_SET_SECCOMP,)),)),
}


def main() -> None:
    """See above."""
    layer, *models = sys.argv[1:]
    if layer in LACKING:
        assert prctl(_PR_SET_NO_NEW_PRIVS, 1)
        assert install(assemble([LACKING[layer]], platform.machine()))
    for model in models:
        with Supervisor(None) as supervisor:
            try:
                gate = supervisor.describe_model(ModelRequest(path=model, device="cpu")).facts.gate
                said = f"loaded, class {gate.trust if gate else '?'}"
            except AssayError as error:
                said = error.message
            print(json.dumps({"layers": dict(supervisor.sandbox.layers), "said": said}), flush=True)


if __name__ == "__main__":
    main()
