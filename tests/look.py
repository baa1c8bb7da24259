"""Pictures of pages, desktop and phone, light and dark: python -m tests.look ROLE OUT PATH [PATH ...]

ROLE is owner, engineer, reviewer, auditor, operator, outsider or nobody. A PATH is a template over the
sample: /o/{org}/audits/{run}/ . With ASSAY_AXE=axe.min.js, prints what axe-core finds. ASSAY_HOME keeps
the sample
between calls.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

import django

os.environ.setdefault("ASSAY_HOME", "/tmp/assay-look")
os.environ["DJANGO_SETTINGS_MODULE"] = "config.settings"


def _sample() -> dict[str, str]:
    """The sample's ids; built on first use of this home."""
    import json

    from django.conf import settings
    from django.core.management import call_command

    call_command("migrate", verbosity=0)
    kept = Path(settings.ENV.home) / "sample.json"
    if not kept.exists():
        from tests.sample import build

        made = build()
        names = {name: str(user.pk) for name, user in made.people._asdict().items() if hasattr(user, "email")}
        names |= {"org": made.people.organisation.slug, "run": str(made.run.pk)}
        names |= {"job": str(made.run.job_id)}
        kept.write_text(json.dumps(names))
    found: dict[str, str] = json.loads(kept.read_text())
    return found


def main() -> None:
    role, out, paths = sys.argv[1], Path(sys.argv[2]), sys.argv[3:]
    django.setup()
    from accounts.models import User
    from tests.browser import axe_violations, browser, served, sign_in

    sample = _sample()
    out.mkdir(parents=True, exist_ok=True)
    with served() as address, browser() as chrome:
        for look, width, scheme in (
            ("desktop", 1280, "light"),
            ("dark", 1280, "dark"),
            ("phone", 390, "light"),
        ):
            context = chrome.new_context(
                viewport={"width": width, "height": 900}, color_scheme=scheme, bypass_csp=False
            )
            if role != "nobody":
                sign_in(context, address, User.objects.get(pk=sample[role]))
            page = context.new_page()
            page.on("console", lambda message: print("console:", message.text))
            for path in paths:
                place = path.format(**sample)
                answer = page.goto(address + place)
                name = place.strip("/").replace("/", "_") or "home"
                page.screenshot(path=out / f"{name}-{look}.png", full_page=True)
                print(answer.status, place, out / f"{name}-{look}.png")
                wide = page.evaluate("document.documentElement.scrollWidth - window.innerWidth")
                if wide > 0:
                    print(f"  {wide} px wider than the window at {width}")
                if (axe := os.environ.get("ASSAY_AXE")) and look != "phone":
                    for found in axe_violations(page, axe):
                        print("  axe", found)


if __name__ == "__main__":
    main()
