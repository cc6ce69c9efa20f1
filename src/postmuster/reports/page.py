"""report.html: everything an organisation's report shows, in one file that needs nothing else.

For: whoever has to say whom a notice reached, on screen, on paper, by ear, by keyboard. Promises: no script, no remote
address, no font file; a policy in the page forbids all three should an escape ever fail. Whatever came from outside is
escaped (`markup`), and equal reports give equal bytes. WCAG 2.2 AA, light and dark, from 320 px to A4.
Limits: the page is made in memory; 24 components and three notices make about 150 kB. All words are in `words.en.toml`.
"""

from __future__ import annotations

from collections.abc import Sequence
from importlib import resources

from postmuster.reports.figures import NoticeFigures, OrganisationReport, State, by_count
from postmuster.reports.markup import NOTHING, Column, Content, Markup, element, joined, name_of, table
from postmuster.reports.page_notice import notice_section
from postmuster.reports.page_parts import counts_table, empty, moment, prose
from postmuster.reports.textures import shared_textures, strip
from postmuster.reports.words import DEFAULT_LANGUAGE, Words, number, share
from postmuster.reports.words import words as words_of

REPORT_NAME = "report.html"
_POLICY = "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'"


def write_page(report: OrganisationReport, *, language: str = DEFAULT_LANGUAGE) -> str:
    """Write the whole page.

    Raises: `FileNotFoundError` for a language without words.
    """
    words = words_of(language)
    title = words.text("title")
    if report.organisation:
        title = words.text("title_of", organisation=report.organisation)
    head = element(
        "head",
        element("meta", charset="utf-8"),
        element("meta", name="viewport", content="width=device-width, initial-scale=1"),
        element("meta", http_equiv="Content-Security-Policy", content=_POLICY),
        element("meta", name="referrer", content="no-referrer"),
        element("meta", name="robots", content="noindex"),
        element("meta", name="color-scheme", content="light dark"),
        element("title", title),
        element("style", Markup(_styles())),
    )
    return "<!DOCTYPE html>\n" + element("html", head, _body(report, words), lang=language).html + "\n"


def _styles() -> str:
    return (resources.files("postmuster.reports") / "page.css").read_text(encoding="utf-8")


def _body(report: OrganisationReport, words: Words) -> Markup:
    sections = [
        ("balance", words.text("balance_heading"), _balance(report, words)),
        ("glance", words.text("glance_heading"), _glance(report.notices, words)),
        *(
            (f"notice-{place}", figures.title, notice_section(figures, place=place, words=words))
            for place, figures in enumerate(report.notices, 1)
        ),
        ("outside", words.text("outside_heading"), _outside(report, words)),
        ("agreement", words.text("agreement_heading"), _agreement(report, words)),
        ("seconds", words.text("seconds_heading"), _seconds(report, words)),
        ("method", words.text("method_heading"), _method(words)),
    ]
    present = [(id, title, section) for id, title, section in sections if section]
    links = (element("li", element("a", name_of(title), href=f"#{id}")) for id, title, _ in present)
    return element(
        "body",
        Markup(shared_textures()),
        element("a", words.text("skip"), class_="skip", href="#report"),
        _masthead(report, words),
        element(
            "nav",
            element("p", words.text("on_this_page"), id="on-this-page"),
            element("ul", joined(links)),
            aria_labelledby="on-this-page",
        ),
        element("main", joined(section for _, _, section in present), id="report", tabindex="-1"),
    )


def _masthead(report: OrganisationReport, words: Words) -> Markup:
    made = report.generated_at
    counts = words.text(
        "organisation_counts", people=number(report.people_counted), notices=number(len(report.notices))
    )
    return element(
        "header",
        element("p", name_of(report.organisation), class_="organisation") if report.organisation else NOTHING,
        element("h1", words.text("title")),
        element("p", counts, " ", joined((words.text("made_at"), " ", moment(made), " UTC.")) if made else None),
    )


def _section(id: str, heading: str, *contents: Content) -> Markup:
    return element("section", element("h2", heading, id=f"{id}-title"), *contents, id=id, aria_labelledby=f"{id}-title")


def _balance(report: OrganisationReport, words: Words) -> Markup:
    heading = words.text("balance_heading")
    if not report.checks:
        return _section("balance", heading, empty(words.text("balance_none")))
    broken = sum(not check.holds for check in report.checks)
    verdict = words.text(
        "balance_no" if broken else "balance_yes", count=number(len(report.checks)), broken=number(broken)
    )
    checks = table(
        id="balance",
        caption=words.text("balance_caption"),
        columns=(
            Column(words.text("check_sentence"), number=False),
            Column(words.text("check_left")),
            Column(words.text("check_right")),
            Column(words.text("check_result"), number=False),
        ),
        rows=[
            (
                check.sentence,
                number(check.left),
                number(check.right),
                element(
                    "span", words.text("check_holds" if check.holds else "check_broken"), class_=_verdict(check.holds)
                ),
            )
            for check in sorted(report.checks, key=lambda check: check.holds)
        ],
    )
    return _section("balance", heading, prose(verdict, f"verdict {_verdict(not broken)}"), checks)


def _verdict(holds: bool) -> str:
    return "holds" if holds else "broken"


def _glance(notices: Sequence[NoticeFigures], words: Words) -> Markup:
    heading = words.text("glance_heading")
    if not notices:
        return _section("glance", heading, empty(words.text("no_notices")))
    columns = (
        Column(words.text("notice"), number=False),
        Column(words.text("audience")),
        Column(words.state(State.DELIVERED)),
        Column(words.text("reached")),
        Column(words.text("share")),
        Column(words.state(State.FAILED)),
        Column(words.state(State.WITHHELD)),
        Column(words.state(State.PENDING)),
        Column(words.text("answers_column")),
    )
    rows = [_glance_row(figures, place, words) for place, figures in enumerate(notices, 1)]
    overview = table(id="glance", caption=words.text("glance_caption"), columns=columns, rows=rows)
    return _section("glance", heading, overview, prose(words.text("glance_note"), "note"))


def _glance_row(figures: NoticeFigures, place: int, words: Words) -> tuple[Content, ...]:
    facts = words.text(
        "facts_short",
        kind=words.named("kinds", figures.kind),
        id=figures.id,
        round=figures.round,
        state=words.named("notice_states", figures.state),
    )
    name = joined((
        element("a", name_of(figures.title), href=f"#notice-{place}"),
        element("span", facts, class_="aside"),
        Markup(strip(figures.states)),
    ))  # fmt: skip
    return (
        name,
        number(figures.audience),
        number(figures.count(State.DELIVERED)),
        number(figures.reached),
        share(figures.reached, figures.audience),
        number(figures.count(State.FAILED)),
        number(figures.count(State.WITHHELD)),
        number(figures.count(State.PENDING)),
        number(figures.answered),
    )


def _outside(report: OrganisationReport, words: Words) -> Markup:
    """Mail that is in no notice's numbers, so that nothing that came in is out of sight."""
    rows = [(words.named("replies", kind), count) for kind, count in by_count(report.unmatched)]
    if report.unread:
        rows.append((words.text("outside_unread"), report.unread))
    if not rows:
        return NOTHING
    whole = counts_table("outside", words.text("outside_caption"), words.text("kind"), rows, words)
    return _section("outside", words.text("outside_heading"), whole, prose(words.text("outside_next"), "note"))


def _agreement(report: OrganisationReport, words: Words) -> Markup:
    if not report.agreement:
        return NOTHING
    rows = [(row.reply_class, row.truth, row.right, row.to_a_person, row.wrong) for row in report.agreement]
    sums = [sum(column) for column in list(zip(*rows, strict=True))[1:]]

    def cells(name: str, counts: Sequence[int]) -> list[Content]:
        truth, right, to_a_person, wrong = counts
        return [name, number(truth), number(right), number(to_a_person), number(wrong), share(wrong, truth)]

    whole = table(
        id="agreement",
        caption=words.text("agreement_caption"),
        columns=(
            Column(words.text("meant"), number=False),
            *(Column(words.text(key)) for key in ("truth", "right", "to_a_person", "wrong", "wrong_share")),
        ),
        rows=[
            cells(words.named("reply_classes", str(name)), [int(count) for count in counts]) for name, *counts in rows
        ],
        total=cells(words.text("sum"), [int(count) for count in sums]),
    )
    intro = prose(words.text("agreement_intro"))
    return _section("agreement", words.text("agreement_heading"), intro, whole)


def _seconds(report: OrganisationReport, words: Words) -> Markup:
    if not report.seconds:
        return NOTHING
    whole = table(
        id="seconds",
        caption=words.text("seconds_caption"),
        columns=(Column(words.text("part"), number=False), Column(words.text("seconds_column"))),
        rows=[(words.named("parts", part), number(round(took, 1))) for part, took in report.seconds.items()],
        total=(words.text("sum"), number(round(sum(report.seconds.values()), 1))),
    )
    return _section("seconds", words.text("seconds_heading"), whole)


def _method(words: Words) -> Markup:
    texts = ("method_states", "method_reached", "method_answers", "method_silence", "method_times")
    return _section("method", words.text("method_heading"), *(prose(words.text(key)) for key in texts))
