"""A token is used where a trusted publisher could do the same: its owner is told, once for each token and project."""

from __future__ import annotations

import logging
import uuid
from datetime import datetime
from typing import Final

from django.db import DatabaseError, transaction

from keyhouse.accounts import emails
from keyhouse.credentials.tokens.letters import used_beside_publisher
from keyhouse.credentials.tokens.models import Token
from keyhouse.projects import sql
from keyhouse.projects.models import Project

_log = logging.getLogger("keyhouse.publishers")


def tell_of_token(credential: str, project_id: int, now: datetime) -> None:
    """Tell the owner of a token that uploaded to a project with a trusted publisher, after that; never stops anything.

    Must be called outside of a transaction. What is lost here is told at the next upload.
    """
    try:
        if sql.find_value(_HAS_PUBLISHER, project_id) is not None:
            _tell_once(uuid.UUID(credential), project_id, now)
    except DatabaseError:
        _log.warning("the owner of a token could not be told of a trusted publisher", exc_info=True)


_HAS_PUBLISHER: Final = "SELECT 1 FROM publishers_publisher WHERE project_id = %s LIMIT 1"


def _tell_once(token_id: uuid.UUID, project_id: int, now: datetime) -> None:
    if project_id in Token.objects.values_list("told_projects", flat=True).get(pk=token_id):
        return
    with transaction.atomic():
        token = Token.objects.select_for_update(no_key=True).get(pk=token_id)
        if project_id in token.told_projects:
            return
        token.told_projects = [*token.told_projects, project_id]
        token.save(update_fields=["told_projects"])
        project = Project.objects.filter(pk=project_id).first()
        if project is not None:
            emails.tell(token.user, used_beside_publisher(token, project), now=now)
