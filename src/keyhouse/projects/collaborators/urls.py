"""Addresses of the pages of a project's people, and of invitations."""

from __future__ import annotations

from typing import Final

from django.urls import path

from keyhouse.projects.collaborators import views

_PEOPLE: Final = "manage/project/<str:name>/people/"
_INVITATION: Final = _PEOPLE + "invitation/<int:invitation_id>/"
_INBOX: Final = "account/invitations/"

urlpatterns = [
    path(_PEOPLE, views.people, name="project-people"),
    path(_INVITATION + "resend/", views.resend, name="resend-invitation"),
    path(_INVITATION + "revoke/", views.revoke, name="revoke-invitation"),
    path(_PEOPLE + "leave/", views.leave, name="leave-project"),
    path(_PEOPLE + "hand-over/", views.hand_over, name="hand-over-project"),
    path(_PEOPLE + "<str:username>/role/", views.change_role, name="change-role"),
    path(_PEOPLE + "<str:username>/remove/", views.remove, name="remove-role"),
    path(_PEOPLE + "<str:username>/keep/", views.keep, name="keep-role"),
    path(_INBOX, views.invitations, name="invitations"),
    path(_INBOX + "<int:invitation_id>/accept/", views.accept, name="accept-invitation"),
    path(_INBOX + "<int:invitation_id>/decline/", views.decline, name="decline-invitation"),
]
