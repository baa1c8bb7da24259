"""Addresses of schedules, below /o/<organisation>/; jobs/urls.py takes them in."""

from django.urls import path

from jobs import schedule_views as views

__all__ = ["paths"]

paths = [
    path("schedules/", views.schedules, name="schedules"),
    path("schedules/new/", views.new_schedule, name="new_schedule"),
    path("schedules/times/", views.schedule_times, name="schedule_times"),
    path("schedules/<uuid:pk>/", views.schedule, name="schedule"),
    path("schedules/<uuid:pk>/edit/", views.edit, name="edit_schedule"),
    path("schedules/<uuid:pk>/switch/", views.switch, name="switch_schedule"),
    path("schedules/<uuid:pk>/run/", views.run_now, name="run_schedule"),
    path("schedules/<uuid:pk>/delete/", views.delete, name="delete_schedule"),
]
