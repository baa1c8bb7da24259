"""How `./run serve` starts the web server."""

from __future__ import annotations

__all__ = ["web_command"]


def web_command(host: str, port: int) -> list[str]:
    """The arguments of `python -m`."""
    bind = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
    return [
        *("gunicorn", "config.wsgi", "--bind", bind, "--worker-class", "jobs.web_worker.WebWorker"),
        *("--workers", "1", "--threads", "8", "--timeout", "120", "--graceful-timeout", "5"),
        *("--log-level", "warning", "--no-control-socket"),
    ]
