"""Every test that THREAT_MODEL.md names exists."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]


def test_what_the_threat_model_says_shows_a_control_exists() -> None:
    missing = []
    for line in (ROOT / "THREAT_MODEL.md").read_text().splitlines():
        folder = ROOT
        for named in re.findall(r"`((?:tests/)?[\w/]+(?:\.py|/)|test_\w+)`", line):
            if named.startswith("test_") and not named.endswith(".py"):
                where = folder if folder.is_dir() else folder.parent
                if not any(f"def {named}(" in path.read_text() for path in where.glob("*.py")):
                    missing.append(named)
                continue
            path = ROOT / named if "/" in named else folder / named
            if not path.exists():
                missing.append(named)
            folder = path.parent if path.suffix else path
    assert not missing
