"""How every form is written: the portal's own field, for ours and for those of the sign-in library."""

from __future__ import annotations

from typing import Any

from django.forms.renderers import TemplatesSetting
from django.utils.html import conditional_escape
from django.utils.safestring import SafeString, mark_safe

__all__ = ["Renderer"]


class Renderer(TemplatesSetting):
    """`{{ form }}` and `{{ form.name.as_field_group }}` tie label, control, help and errors."""

    form_template_name = "portal/form.html"
    field_template_name = "portal/field.html"

    def render(self, template_name: str, context: dict[str, Any], request: Any = None) -> SafeString:
        """As Django does; lists to choose from are put together here, since hundreds of time zones or
        systems, each through two templates of its own, take a tenth of a second."""
        widget: Any = context.get("widget")
        if template_name == _SELECT and all(
            option["template_name"] == _OPTION for _, options, _ in widget["optgroups"] for option in options
        ):
            return _select(widget)
        return SafeString(super().render(template_name, context, request))


_SELECT, _OPTION = "django/forms/widgets/select.html", "django/forms/widgets/select_option.html"


def _select(widget: dict[str, Any]) -> SafeString:
    """What Django's two templates make of it."""
    lines = [f'<select name="{conditional_escape(widget["name"])}"{_attributes(widget["attrs"])}>']
    for group, options, _ in widget["optgroups"]:
        if group:
            lines.append(f'<optgroup label="{conditional_escape(group)}">')
        lines += [
            f'<option value="{conditional_escape(str(option["value"]))}"{_attributes(option["attrs"])}>'
            f"{conditional_escape(option['label'])}</option>"
            for option in options
        ]
        if group:
            lines.append("</optgroup>")
    return mark_safe("\n".join([*lines, "</select>\n"]))


def _attributes(given: dict[str, Any]) -> str:
    return "".join(
        f" {name}" if value is True else f' {name}="{conditional_escape(str(value))}"'
        for name, value in given.items()
        if value is not False
    )
