"""Django's view of the projects feature."""

from django.apps import AppConfig


class ProjectsConfig(AppConfig):
    """Projects and what is in them."""

    name = "keyhouse.projects"
    label = "projects"
