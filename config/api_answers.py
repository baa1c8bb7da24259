"""What Django answers below /api/ before the API itself is asked, told as the API tells it: problem+json."""

from __future__ import annotations

from collections.abc import Callable

from django.http import HttpRequest, HttpResponse

__all__ = ["ApiAnswers"]

_TOLD = {
    400: ("Cannot be done", "The request cannot be read; look at its address and headers."),
    403: ("Not allowed", "This is not allowed."),
    404: (
        "Not found",
        "There is no such address; /api/v1/openapi.json lists them (no slash at the end).",
    ),
    405: ("Not allowed", "This address does not take {method}; /api/v1/openapi.json lists what it takes."),
    500: ("Failed", "The service failed; its operator's log says why."),
}


class ApiAnswers:
    """Middleware: pages of errors become problems, below /api/ alone."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self._get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        answer = self._get_response(request)
        told = _TOLD.get(answer.status_code)
        html = answer.get("Content-Type", "").startswith("text/")
        if told is None or not html or not request.path.startswith("/api/"):
            return answer
        from config.api import problem

        found = problem(answer.status_code, told[0], told[1].format(method=request.method))
        if "Allow" in answer:
            found["Allow"] = answer["Allow"]
        return found
