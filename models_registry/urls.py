"""Pages of models_registry, below /o/<organisation>/."""

from django.urls import path

from models_registry import (
    dataset_diff_views,
    endpoint_forms,
    form_views,
    hub_views,
    model_diff_views,
    removal_views,
    signature_views,
    upload_views,
    views,
)

app_name = "models_registry"
urlpatterns = [
    path("systems/", views.systems, name="systems"),
    path("systems/new/", form_views.new_system, name="new_system"),
    path("systems/<uuid:pk>/", views.system, name="system"),
    path("systems/<uuid:pk>/edit/", form_views.edit_system, name="edit_system"),
    path("systems/<uuid:pk>/archive/", form_views.archive_system, name="archive_system"),
    path("systems/<uuid:pk>/restore/", form_views.restore_system, name="restore_system"),
    path("systems/<uuid:system>/models/new/", form_views.new_model, name="new_model"),
    path("systems/<uuid:system>/datasets/new/", form_views.new_dataset, name="new_dataset"),
    path("models/<uuid:pk>/", views.model, name="model"),
    path("models/<uuid:model>/versions/new/", form_views.new_model_version, name="new_model_version"),
    path("models/<uuid:model>/predictions/new/", form_views.new_predictions, name="new_predictions"),
    path("models/<uuid:model>/hub/new/", hub_views.new_hub_version, name="new_hub_version"),
    path("models/<uuid:model>/endpoint/new/", endpoint_forms.new_endpoint, name="new_endpoint"),
    path("model-versions/<uuid:pk>/", views.model_version, name="model_version"),
    path("model-versions/<uuid:pk>/state/", views.model_version_state, name="model_version_state"),
    path("model-versions/<uuid:pk>/read/", form_views.read_model_version, name="read_model_version"),
    path("model-versions/<uuid:pk>/signature/", signature_views.correct, name="correct_signature"),
    path("model-versions/<uuid:pk>/signature/check/", signature_views.check, name="check_signature"),
    path("model-versions/<uuid:pk>/delete-bytes/", removal_views.delete_bytes, name="delete_bytes"),
    path("models/<uuid:pk>/differences/", model_diff_views.differences, name="differences"),
    path("datasets/<uuid:pk>/", views.dataset, name="dataset"),
    path("datasets/<uuid:dataset>/versions/new/", form_views.new_dataset_version, name="new_dataset_version"),
    path("dataset-versions/<uuid:pk>/", views.dataset_version, name="dataset_version"),
    path("dataset-versions/<uuid:pk>/state/", views.dataset_version_state, name="dataset_version_state"),
    path("dataset-versions/<uuid:pk>/read/", form_views.read_dataset_version, name="read_dataset_version"),
    path("dataset-versions/<uuid:pk>/columns/", dataset_diff_views.correct_columns, name="correct_columns"),
    path(
        "dataset-versions/<uuid:pk>/diff/<uuid:other>/", dataset_diff_views.dataset_diff, name="dataset_diff"
    ),
    path("uploads/", upload_views.begin, name="begin_upload"),
    path("uploads/<uuid:pk>/", upload_views.upload, name="upload"),
    path("uploads/<uuid:pk>/finish/", upload_views.finish, name="finish_upload"),
]
