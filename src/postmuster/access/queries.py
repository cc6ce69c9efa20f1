"""Who an officer is and what they may do."""

from __future__ import annotations

from postmuster.access.models import Officer, OfficerRole
from postmuster.access.roles import Actor, Role
from postmuster.base import sql
from postmuster.base.errors import Refused


def officers() -> list[Actor]:
    with sql.guarded():
        return [_actor(officer) for officer in Officer.objects.filter(left_at=None).order_by("id")]


def acting(handle: str, *roles: Role, component_path: str | None = None) -> Actor:
    """The officer named by `--as`, who must hold one of the roles.

    A component officer's role counts only inside their component's subtree; pass the act's `component_path`.
    Raises `Refused` with the roles that would do.
    """
    if not handle:
        raise Refused("This act needs an officer; nothing was done; say who with --as OFFICER.")
    with sql.guarded():
        officer = Officer.objects.filter(handle=handle, left_at=None).first()
        if officer is None:
            raise Refused(f"There is no officer “{handle[:64]}”; nothing was done; see `postmuster officer list`.")
        actor = _actor(officer)
    held = set(actor.roles) & set(roles)
    if Role.COMPONENT_OFFICER in held and not _inside(component_path, actor.components):
        held.discard(Role.COMPONENT_OFFICER)
    if roles and not held:
        wanted = " or ".join(roles)
        raise Refused(f"Officer {handle} does not hold the role {wanted} for this; nothing was done; ask one who does.")
    return actor


def address_of(handle: str) -> tuple[str, str]:
    """An enrolled officer's name and address, for a proof."""
    with sql.guarded():
        officer = Officer.objects.filter(handle=handle, left_at=None).first()
    if officer is None or not officer.address:
        raise Refused(f"Officer “{handle[:64]}” has no enrolled address; nothing was sent; add one to the officer.")
    return officer.name, officer.address


def _inside(path: str | None, components: frozenset[str]) -> bool:
    return path is not None and any(path == mine or path.startswith(f"{mine}/") for mine in components if mine)


def _actor(officer: Officer) -> Actor:
    held = list(OfficerRole.objects.filter(officer=officer).values_list("role", "component_path"))
    paths = frozenset(path for _, path in held if path)
    return Actor(int(officer.pk), officer.handle, frozenset(Role(role) for role, _ in held), paths)
