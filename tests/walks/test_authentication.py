"""Whom the settings name is believed when a reply is digested, and nobody else."""

from __future__ import annotations

from .muster import Muster

HUB, LAPTOP = "192.0.2.3", "203.0.113.9"


def test_a_reply_taken_from_somebody_logged_in_is_grade_a_where_the_server_is_named(muster: Muster) -> None:
    of = muster.reach()
    ann, ben = muster.people(2)
    way = (
        f"Received: from hub (hub [{HUB}]) by mx.agency.example (Postfix) with ESMTPS id 1",
        f"Received: from laptop (laptop [{LAPTOP}]) by hub.agency.example (Postfix) with ESMTPSA id 2",
    )
    muster.hear(muster.reply(of, ann, fields=way))
    muster.desk = muster.desk_with(intake_internal_hops=(f"{HUB}/32",))
    muster.hear(muster.reply(of, ben, fields=way))
    muster.hear(muster.reply(of, ben, "YES indeed", fields=way[1:]))
    assert [grade for *_, grade in muster.replies()] == ["C", "A", "C"]


def test_a_second_server_of_ours_is_believed_under_its_own_name(muster: Muster) -> None:
    of = muster.reach()
    [ann] = muster.people(1)
    passed = (f"Authentication-Results: mx2.agency.example; spf=pass smtp.mailfrom={ann.address}",)
    muster.hear(muster.reply(of, ann, fields=passed))
    muster.desk = muster.desk_with(intake_more_authserv_ids=("mx2.agency.example",))
    muster.hear(muster.reply(of, ann, "YES indeed", fields=passed))
    assert [grade for *_, grade in muster.replies()] == ["C", "B"]
