"""What the registry's pages show in pictures: versions in every state, and a family of them."""

from __future__ import annotations

from assay.contracts import Lineage
from models_registry.description import DataDescription
from models_registry.models import IntakeState, ModelVersion
from models_registry.services import (
    add_dataset_version,
    add_model_version,
    add_predictions_version,
    create_dataset,
    create_model,
    create_system,
)
from tests import factory
from tests.conftest import People
from tests.models_registry.stored import PICKLE, folder, loans_csv, stored

__all__ = ["registry_names"]


def registry_names(people: People) -> dict[str, str]:
    """Fill the registry by its own services; name -> id of what was made."""
    engineer, organisation = people.engineer, people.organisation
    system = create_system(
        organisation,
        "Card limit assistant",
        by=engineer,
        owner=people.owner,
        purpose="Proposes a credit limit for new cards; a clerk confirms or changes it within a day.",
        affected_people="Applicants for a credit card, and people who share an account with them.",
        hazards="Limits that are too low for some groups; limits that lead to debt.",
        act_role="deployer",
        risk_class="high",
    )
    fresh = create_system(organisation, "Claims triage", by=engineer, purpose="Sorts claims by urgency.")
    dataset = create_dataset(system, "applications", by=engineer, description="Drawn at random each quarter.")
    model = create_model(
        system, "limit-scorer", by=engineer, description="Decides which applications get the usual limit."
    )
    files = {
        path: stored(organisation, content)
        for path, content in {**folder(), "README.md": b"# linear\n"}.items()
    }
    first = add_model_version(model, files, by=engineer, label="1.0")
    lineage = Lineage(
        remedy="training.fine_tune",
        version="1",
        params={"epochs": 8, "learning_rate": 0.003, "fairness_weight": 0.4},
        seed=7,
        figures={"tuning_loss_before": 0.412, "tuning_loss_after": 0.388},
        rows={"training": 24_000, "tuning": 4_000},
        notes=("Uses sex in training only.",),
    )
    tuned = add_model_version(
        model,
        {path: stored(organisation, content) for path, content in folder(0.7).items()},
        by=engineer,
        label="1.1",
        notes="Fine-tuned after audit 12.",
        parent=first,
        lineage=lineage,
    )
    add_model_version(
        model,
        {path: stored(organisation, content) for path, content in folder(0.5).items()},
        by=engineer,
        label="1.1-small",
        parent=tuned,
        lineage=lineage.model_copy(update={"remedy": "distillation.student"}),
    )
    add_model_version(
        model,
        {path: stored(organisation, content) for path, content in folder(0.4).items()},
        by=engineer,
        label="1.2",
        parent=first,
        lineage=lineage,
    )
    refused = add_model_version(model, {"model.pkl": stored(organisation, PICKLE)}, by=engineer, label="old")
    predictions = add_predictions_version(
        model, predictions="approved", scores="score", by=engineer, label="in production"
    )
    data = add_dataset_version(
        dataset,
        {
            "test": ("applications-2025q1.csv", stored(organisation, loans_csv(900))),
            "training": ("applications-2024.csv", stored(organisation, loans_csv(2_000))),
        },
        DataDescription(label="repaid", sensitive=("sex", "age"), favourable="yes", bins={"age": (25, 60)}),
        by=engineer,
        label="2025-Q1",
        origin="Core banking; every tenth application.",
        licence="Internal",
        consent_basis="Legitimate interest: testing for discrimination.",
        period="January to March 2025",
        disjoint=True,
    )
    factory.run_jobs()
    failed = add_model_version(model, files, by=engineer, label="1.3")
    waiting = add_model_version(model, files, by=engineer, label="1.4")
    ModelVersion.unscoped.filter(pk=failed.pk).update(
        state=IntakeState.FAILED, refusal="The child was ended after 3600 s while reading the model."
    )
    return {
        name: str(row.pk)
        for name, row in {
            "system": system,
            "fresh": fresh,
            "model": model,
            "tuned": tuned,
            "refused": refused,
            "failed": failed,
            "waiting": waiting,
            "predicted": predictions,
            "dataset": dataset,
            "data": data,
        }.items()
    }
