"""`{% csrf_token %}` of every template: Django's, and whose form it is (portal/kept.py)."""

from __future__ import annotations

from django import template
from django.template.base import Parser, Token
from django.template.context import Context
from django.template.defaulttags import CsrfTokenNode
from django.utils.html import format_html

from portal.kept import TYPED_BY, typed_by

register = template.Library()


class _OwnForm(CsrfTokenNode):
    def render(self, context: Context) -> str:
        token, user = super().render(context), context.get("user")
        if user is None or not user.is_authenticated:
            return token
        return token + format_html('<input type="hidden" name="{}" value="{}">', TYPED_BY, typed_by(user))


@register.tag
def csrf_token(_parser: Parser, _token: Token) -> _OwnForm:
    return _OwnForm()
