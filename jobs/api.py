"""The API of jobs."""

from __future__ import annotations

from ninja import Router

from jobs.schedule_api import router as schedules_router

router = Router(tags=["jobs"])
router.add_router("", schedules_router)
