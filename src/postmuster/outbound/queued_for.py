"""Whom a mail in the relay's queue is for: the component of a delivery, asked by what its envelope sender names."""

from __future__ import annotations

from collections.abc import Sequence

from postmuster.base import sql

# Index: primary key of audience.
_COMPONENTS_OF = """
SELECT a.notice_no, a.round_no, a.seq, c.path
FROM unnest(%(notices)s::int[], %(rounds)s::int[], %(seqs)s::int[]) AS t(notice_no, round_no, seq)
JOIN outbound_audience a USING (notice_no, round_no, seq) JOIN roster_component c ON c.id = a.component_no
"""


def components_of(refs: Sequence[tuple[int, int, int]]) -> dict[tuple[int, int, int], str]:
    """The component path of deliveries (notice, round, sequence); what is in no audience is left out."""
    if not refs:
        return {}
    values = {"notices": [r[0] for r in refs], "rounds": [r[1] for r in refs], "seqs": [r[2] for r in refs]}
    found = sql.rows(_COMPONENTS_OF, values)
    return {(int(notice), int(number), int(seq)): str(path) for notice, number, seq, path in found}
