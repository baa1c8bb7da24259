"""A page that is not built yet."""

from typing import Any

from django.http import HttpResponse
from django.shortcuts import render

from accounts.access import member


@member()
def soon(request: Any, **_: Any) -> HttpResponse:
    return render(request, "portal/soon.html")
