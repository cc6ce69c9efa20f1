"""Every error is one sentence: what happened; what was kept; what to do."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator

import pytest
from tests.docs.pages import HOUSE, modules

ERRORS = {"Refused", "Transient", "Permanent", "Defect"}
# Built elsewhere, each with who builds it.
BUILT = {
    "bench/drill.py": "rehearsal/postfix.py:why_not",
    "bench/drill_receivers.py": "rehearsal/postfix.py:why_not",
    "bench/drill_run.py": "jobs/relay_hold.py:sentence",
    "rehearsal/mta.py": "rehearsal/postfix.py:why_not",
    "rehearsal/postfix.py": "rehearsal/postfix.py:why_not",
    "roster/actions.py": "roster/actions.py:_shrink_sentence",
}


def _constants(tree: ast.Module) -> dict[str, ast.expr]:
    """What a module gives a name once and for all."""
    return {
        node.target.id: node.value
        for node in tree.body
        if isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name) and node.value is not None
    }


def _text(node: ast.expr) -> str | None:
    """A literal as it is shown, values as {}."""
    if isinstance(node, ast.Constant):
        return str(node.value)
    if isinstance(node, ast.JoinedStr):
        return "".join(str(part.value) if isinstance(part, ast.Constant) else "{}" for part in node.values)
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Add):
        left, right = _text(node.left), _text(node.right)
        return None if left is None or right is None else left + right
    return None


def _raised() -> Iterator[tuple[str, str | None]]:
    for path in modules():
        tree = ast.parse(path.read_text(encoding="utf-8"))
        named = _constants(tree)
        for node in ast.walk(tree):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in ERRORS and node.args:
                given = node.args[0]
                said = named.get(given.id, given) if isinstance(given, ast.Name) else given
                yield f"{path.relative_to(HOUSE)}:{node.lineno}", _text(said)


def _is_whole(sentence: str) -> bool:
    """Two parts at least after what happened, or one that says both; a full stop at the end."""
    parts = [part for part in re.split(r";|\. |\{\} (?=[A-Z])", sentence) if part.strip()]
    return sentence.endswith(".") and not sentence.endswith("..") and len(parts) >= 2


def test_every_error_says_what_was_kept_or_what_to_do() -> None:
    raised = list(_raised())
    assert len(raised) > 100
    assert [(where, text) for where, text in raised if text is not None and not _is_whole(text)] == []


def test_an_error_whose_sentence_is_built_elsewhere_says_where() -> None:
    assert {where.partition(":")[0] for where, text in _raised() if text is None} == set(BUILT)
    for place in BUILT.values():
        file, _, builder = place.partition(":")
        assert f"def {builder}(" in (HOUSE / file).read_text(encoding="utf-8")


def test_every_error_begins_with_what_happened() -> None:
    small = [(where, text) for where, text in _raised() if text and not (text[0].isupper() or text[0] in "{“-")]
    assert small == []


@pytest.mark.parametrize(
    ("sentence", "whole"),
    [
        ("The file could not be read; nothing was loaded; name another.", True),
        ("The file could not be read.", False),
        ("The file could not be read; nothing was loaded", False),
    ],
)
def test_half_a_sentence_is_found(sentence: str, whole: bool) -> None:
    assert _is_whole(sentence) is whole
