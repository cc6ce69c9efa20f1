"""A sound assessment for these tests."""

from __future__ import annotations

from postmuster.assessments.document import AssessmentDocument, read_assessment

SOUND = """
slug = "reach-test"
version = 2
title = "Reach of mail"
author = "Ada"
privacy_officer = "Pia"
system = "Staff Mail System"
kinds = ["test", "report"]
asks = ["acknowledge", "none"]
data = ["name and work address", "the answer"]
purposes = ["to see whom mail reaches"]
sharing = ["the person's own component"]
voluntary = "both"
consequences = ["the record stays open"]
machine_sorting = "rules"
security = ["sealed on arrival"]
review_on = 2027-12-31
[[retention]]
schedule = "R-1"
max_days = 90
[[retention]]
schedule = "R-3"
max_days = 30
[sections]
what = "w"
why = "w"
use = "u"
share = "s"
consent = "c"
secure = "s"
sor = "s"
depth = \"\"\"two
lines\"\"\"
"""


def changed(*pairs: tuple[str, str]) -> bytes:
    """Return the sample with parts of it replaced; each must be there."""
    text = SOUND
    for old, new in pairs:
        assert old in text, old
        text = text.replace(old, new, 1)
    return text.encode()


def sound(*pairs: tuple[str, str]) -> AssessmentDocument:
    """Read a sample that must be sound."""
    document = read_assessment(changed(*pairs))
    assert isinstance(document, AssessmentDocument), list(document)
    return document
