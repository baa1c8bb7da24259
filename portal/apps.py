"""The app of the portal, and the operators' site in the place of Django's own admin."""

from django.apps import AppConfig
from django.contrib.admin import apps as admin_apps


class PortalConfig(AppConfig):
    name = "portal"
    verbose_name = "Portal"
    default = True


class OperatorsAdminConfig(admin_apps.AdminConfig):
    default_site = "portal.operators.OperatorsSite"
    default = False
