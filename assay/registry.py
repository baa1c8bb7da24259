"""What Assay can do: id -> "module:ATTRIBUTE", resolved on first use.

A built-in method or remedy is one file and one line below. Third parties add theirs through the entry point
groups `assay.methods`, `assay.remedies` and `assay.formats`. Names are unique; a built-in that fails to
import fails the start.
"""

from __future__ import annotations

from collections.abc import Iterator
from importlib import import_module
from importlib.metadata import entry_points
from typing import Generic, TypeVar, cast

from assay.contracts import AuditMethod, ModelFormat, Remedy
from assay.errors import BadInput, Internal, nearest

__all__ = ["FORMATS", "METHODS", "REMEDIES", "Registry"]

T = TypeVar("T")


class Registry(Generic[T]):
    """Lazy id -> object map that checks what it loads and is closed after `freeze`."""

    def __init__(self, kind: str, base: type, group: str, builtins: dict[str, str]) -> None:
        self._kind = kind
        self._plural = f"{kind[:-1]}ies" if kind.endswith("y") else f"{kind}s"
        self._base = base
        self._group = group
        self._targets: dict[str, str] = {}
        self._loaded: dict[str, T] = {}
        self._frozen = False
        for name, target in builtins.items():
            self.add(name, target)

    def add(self, name: str, target: str) -> None:
        """Register `name` as "module:ATTRIBUTE". Raises Internal on a collision or after freeze."""
        if self._frozen:
            raise Internal(f'The registry of {self._plural} is closed; "{name}" came too late.')
        if name in self._targets:
            raise Internal(f'Two {self._plural} are named "{name}": {self._targets[name]} and {target}.')
        self._targets[name] = target

    def freeze(self) -> None:
        """Take in the entry points of installed plug-ins, then refuse further additions."""
        if self._frozen:
            return
        for point in entry_points(group=self._group):
            self.add(point.name, point.value)
        self._frozen = True

    def __iter__(self) -> Iterator[str]:
        self.freeze()
        return iter(sorted(self._targets))

    def get(self, name: str) -> T:
        """The object named `name`; BadInput with the nearest names when there is none."""
        self.freeze()
        if name not in self._targets:
            close = nearest(name, self._targets)
            hint = f" Close to it: {close}." if close else ""
            raise BadInput(f'There is no {self._kind} "{name}".{hint} `assay {self._plural}` lists them all.')
        if name not in self._loaded:
            module, _, attribute = self._targets[name].partition(":")
            loaded = getattr(import_module(module), attribute)
            if not isinstance(loaded, self._base):
                raise Internal(f"{self._targets[name]} is not a {self._kind}.")
            spec_id = getattr(getattr(loaded, "spec", None), "id", name)
            if spec_id != name:
                raise Internal(f'{self._targets[name]} calls itself "{spec_id}", registered as "{name}".')
            self._loaded[name] = cast(T, loaded)
        return self._loaded[name]

    def modules(self) -> set[str]:
        """Names of the modules in which the objects are; imports none of them."""
        self.freeze()
        return {target.partition(":")[0] for target in self._targets.values()}

    def all(self) -> list[T]:
        """Every registered object, sorted by id."""
        return [self.get(name) for name in self]


FORMATS: Registry[ModelFormat] = Registry(
    "format",
    ModelFormat,
    "assay.formats",
    {
        "exported_program": "assay.models.exported_program:FORMAT",
        "huggingface": "assay.models.huggingface:FORMAT",
        "huggingface_adapter": "assay.models.huggingface_adapter:FORMAT",
        "lightgbm_text": "assay.models.lightgbm_text:FORMAT",
        "onnx": "assay.models.onnx:FORMAT",
        "skops": "assay.models.skops:FORMAT",
        "torch_checkpoint": "assay.models.torch_checkpoint:FORMAT",
        "torch_folder": "assay.models.torch_folder:FORMAT",
        "xgboost_json": "assay.models.xgboost_json:FORMAT",
    },
)

REMEDIES: Registry[Remedy] = Registry(
    "remedy",
    Remedy,
    "assay.remedies",
    {
        "adversarial.training": "assay.remedies.adversarial:REMEDY",
        "distillation.student": "assay.remedies.distillation:REMEDY",
        "training.fine_tune": "assay.remedies.fine_tune:REMEDY",
        "training.from_scratch": "assay.remedies.train:REMEDY",
    },
)

METHODS: Registry[AuditMethod] = Registry(
    "method",
    AuditMethod,
    "assay.methods",
    {
        "performance.classification": "assay.methods.performance.classification:METHOD",
        "performance.language_modelling": "assay.methods.performance.language_modelling:METHOD",
        "performance.regression": "assay.methods.performance.regression:METHOD",
        "fairness.group_rates": "assay.methods.fairness.group_rates:METHOD",
        "fairness.scores": "assay.methods.fairness.scores:METHOD",
        "explainability.shapley": "assay.methods.explainability.shapley:METHOD",
        "robustness.noise": "assay.methods.robustness.noise:METHOD",
        "robustness.pgd": "assay.methods.robustness.pgd:METHOD",
        "privacy.membership_loss": "assay.methods.privacy.membership_loss:METHOD",
        "cost.inference": "assay.methods.cost.inference:METHOD",
        "data_quality.basics": "assay.methods.data_quality.basics:METHOD",
        "explainability.grad_cam": "assay.methods.explainability.grad_cam:METHOD",
        "explainability.integrated_gradients": "assay.methods.explainability.integrated_gradients:METHOD",
        "explainability.lime": "assay.methods.explainability.lime:METHOD",
    },
)
