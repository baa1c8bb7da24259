"""How every form is written: the portal's own field, for ours and for those of the sign-in library."""

from __future__ import annotations

from django.forms.renderers import TemplatesSetting

__all__ = ["Renderer"]


class Renderer(TemplatesSetting):
    """`{{ form }}` and `{{ form.name.as_field_group }}` tie label, control, help and errors."""

    form_template_name = "portal/form.html"
    field_template_name = "portal/field.html"
