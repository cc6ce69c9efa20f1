"""Each import contract guards: it holds now, and a forbidden import planted against it breaks it.

The imports are planted in the graph that import-linter checks, not in files: the whole takes a second.
"""

from __future__ import annotations

from copy import deepcopy
from functools import cache
from pathlib import Path
from typing import Any

import grimp
import pytest
from importlinter import configuration
from importlinter.application import use_cases
from importlinter.application.user_options import UserOptions
from importlinter.domain.contract import registry

ROOT = Path(__file__).resolve().parents[2]

# contract, who imports, what. Modules that are not there yet are added: the contract has to hold for them too.
PLANTED = [
    ("floors", "postmuster.ledger.actions", "postmuster.vault.actions"),
    ("floors", "postmuster.base.clock", "postmuster.settings"),
    ("floors", "postmuster.inbound.door", "postmuster.outbound.relay"),
    ("floors", "postmuster.jobs.notice", "postmuster.runtime.database"),
    ("floors", "postmuster.mail.compose", "postmuster.reading.answer"),
    ("floors", "postmuster.runtime.checks", "postmuster.organisation.people"),
    ("floors", "postmuster.runtime.checks", "postmuster.cli.session"),
    ("organisation", "postmuster.organisation.people", "postmuster.mail.address"),
    ("organisation", "postmuster.organisation.post", "postmuster.base.clock"),
    ("pure", "postmuster.mail.token", "time"),
    ("pure", "postmuster.mail.message", "logging"),
    ("pure", "postmuster.reading.newtext", "random"),
    ("pure", "postmuster.reading.answer", "postmuster.base.sql"),
    ("pure", "postmuster.mail.compose", "postmuster.base.clock"),
    ("tables", "postmuster.jobs.notice", "postmuster.notices.models"),
    ("tables", "postmuster.notices.queries", "postmuster.access.models"),
    ("tables", "postmuster.runtime.checks", "postmuster.vault.models"),
    ("queue", "postmuster.outbound.actions", "procrastinate"),
    ("queue", "postmuster.runtime.worker", "procrastinate"),
    ("doors", "postmuster.outbound.actions", "cryptography"),
    ("doors", "postmuster.runtime.checks", "subprocess"),
    ("doors", "postmuster.mail.compose", "smtplib"),
    ("doors", "postmuster.mail.batch_signing", "ctypes"),
    ("doors", "postmuster.outbound.relay", "ssl"),
    ("doors", "postmuster.outbound.relay_line", "uvloop"),
    ("sockets", "postmuster.notices.actions", "socket"),
    ("sockets", "postmuster.reports.charts", "asyncio"),
    ("sockets", "postmuster.outbound.relay", "socket"),
    ("sockets", "postmuster.jobs.sending", "asyncio"),
    ("wire", "postmuster.outbound.relay_lines", "postmuster.outbound.wire"),
    ("wire", "postmuster.jobs.sending", "postmuster.outbound.wire"),
    ("order", "postmuster.vault.models", "postmuster.vault.actions"),
    ("order", "postmuster.outbound.states", "postmuster.outbound.models"),
    ("order", "postmuster.control.queries", "postmuster.control.actions"),
    ("settings", "postmuster.roster.actions", "postmuster.settings"),
    ("settings", "postmuster.inbound.door", "postmuster.settings"),
    ("logins", "postmuster.jobs.desk", "postmuster.settings.django"),
    ("rings", "postmuster.mail.limits", "postmuster.mail.address"),
    ("rings", "postmuster.mail.submission", "postmuster.mail.smtp"),
]


@cache
def _graph() -> grimp.ImportGraph:
    return grimp.build_graph("postmuster", include_external_packages=True, cache_dir=None)


@cache
def _options() -> UserOptions:
    configuration.configure()
    options = use_cases.read_user_options(str(ROOT / ".importlinter"))
    use_cases._register_contract_types(options)
    return options


@cache
def _contracts() -> dict[str, dict[str, Any]]:
    return {contract["id"]: contract for contract in _options().contracts_options}


def _keeps(contract_id: str, graph: grimp.ImportGraph) -> bool:
    options = _contracts()[contract_id]
    contract = registry.get_contract_class(options["type"])(options["name"], _options().session_options, options)
    return bool(contract.check(graph, verbose=False).kept)


@pytest.mark.parametrize("contract_id", sorted(_contracts()))
def test_the_contract_is_kept(contract_id: str) -> None:
    assert _keeps(contract_id, deepcopy(_graph()))


@pytest.mark.parametrize(("contract_id", "importer", "imported"), PLANTED)
def test_a_planted_import_breaks_the_contract(contract_id: str, importer: str, imported: str) -> None:
    graph = deepcopy(_graph())
    assert importer in graph.modules
    if imported not in graph.modules:
        graph.add_module(imported, is_squashed=not imported.startswith("postmuster"))
    assert imported not in graph.find_modules_directly_imported_by(importer)
    graph.add_import(importer=importer, imported=imported)
    assert not _keeps(contract_id, graph)


def test_every_contract_has_an_import_planted_against_it() -> None:
    assert {contract_id for contract_id, _, _ in PLANTED} == set(_contracts())


def test_a_folder_without_a_floor_breaks_the_layers() -> None:
    graph = deepcopy(_graph())
    graph.add_module("postmuster.helpers")
    assert not _keeps("floors", graph)
