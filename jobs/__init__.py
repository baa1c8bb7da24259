"""Durable execution: jobs, shards, leases, sweeper, the Celery tasks, schedules."""
