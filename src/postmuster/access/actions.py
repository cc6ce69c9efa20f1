"""Enrolling officers."""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import datetime

from django.db import transaction

from postmuster.access.models import Officer, OfficerRole
from postmuster.access.queries import acting
from postmuster.access.roles import SHELL, Role
from postmuster.base import sql
from postmuster.base.errors import Refused
from postmuster.ledger import actions as ledger

_HANDLE = re.compile(r"[a-z][a-z0-9._-]{1,39}")


def add_officer(
    *, handle: str, name: str, address: str, roles: Sequence[Role], component_path: str, by: str, now: datetime
) -> int:
    """Enrol an officer with roles; the first one needs nobody's leave (the ledger says `by shell`).

    Ledger: `officer added`. Raises `Refused` for a bad or taken handle, and when `by` is no operator.
    """
    if not _HANDLE.fullmatch(handle):
        raise Refused(
            "An officer's handle is 2 to 40 of a-z, 0-9, dot, dash, starting with a letter; nobody was added."
        )
    if not roles:
        raise Refused("An officer needs at least one role; nobody was added; name one with --role.")
    with sql.guarded(), transaction.atomic():
        first = not Officer.objects.exists()
        mark = SHELL if first and not by else acting(by, Role.OPERATOR).mark
        if Officer.objects.filter(handle=handle).exists():
            raise Refused(f"There is an officer “{handle}” already; nobody was added; choose another handle.")
        officer = Officer.objects.create(handle=handle, name=name, address=address, joined_at=now)
        for role in sorted(set(roles)):
            path = component_path if role is Role.COMPONENT_OFFICER else ""
            OfficerRole.objects.create(officer=officer, role=role, component_path=path)
        facts = {"roles": sorted(set(map(str, roles))), "officer": officer.pk}
        ledger.append(kind="officer added", actor=mark, subject=f"officer:{officer.pk}", facts=facts, now=now)
    return int(officer.pk)
