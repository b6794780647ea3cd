"""What was seen, as Markdown and as a page with plots, beside what happened on the public index."""

from __future__ import annotations

import html
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

from demo.calendar.attacks import ASKED, NOT_ASKED
from demo.calendar.founding import PERSONAS
from demo.calendar.post import Mailed
from demo.calendar.shape import Shape
from demo.calendar.story import SECOND, Seen
from demo.calendar.window import VIEWS

_WIDTH, _HEIGHT, _LEFT, _BASE = 720, 232, 60, 180
NOT_EXERCISED: Final = (
    "The rehearsal of 2023-12-06 on a test index: rehearsals with a clock of their own are not built.",
    "Enrolling in the browser: sessions that have proven a factor are put in; journeys enrol by the pages.",
    "How people answer: which share has enrolled by which day, and how many ask to come back in January 2024, is put in.",
    "Accounts for emergencies, and a test of recovery, as guards of the launch: this campaign doesn't ask for them.",
)


def write(seen: Sequence[Seen], shape: Shape, folder: Path) -> tuple[Path, Path]:
    """Write `calendar.md` and `calendar.html`, and return their paths."""
    markdown, page = folder / "calendar.md", folder / "calendar.html"
    markdown.write_text(_markdown(seen, shape), "utf-8")
    page.write_text(_page(seen, shape), "utf-8")
    return markdown, page


def _markdown(seen: Sequence[Seen], shape: Shape) -> str:
    parts = [
        "# The calendar of 2022 to 2024, once more",
        _shape_told(shape),
        "\n".join(f"* **{name}**: {told}" for name, told in PERSONAS.items()),
        "## Days",
        _table(_DAYS_HEAD, [_day_row(one) for one in seen]),
        "Whom the second mandate covers by an organization alone: "
        + ", ".join(
            f"{one.through_organizations:,} on {one.day.at:%Y-%m-%d}"
            for one in seen
            if one.covered.get(SECOND)
        )
        + ".",
        "## What the doors answered",
        _table(
            ["case", "what", *(f"{one.day.at:%Y-%m-%d}" for one in _asked(seen))], _door_rows(_asked(seen))
        ),
        "Not asked at a door here, and why:",
        "\n".join(f"* {case}: {why}" for case, why in NOT_ASKED.items()),
        "## By real clients",
        _clients(seen),
        "## What maintainers saw in Chromium",
        _sights(seen),
        "## What was mailed",
        _MAILS_TOLD,
        _mails(seen),
        "## What happened on the way",
        "\n".join(f"* {one.day.at:%Y-%m-%d}: {note}" for one in seen for note in one.notes),
        "## Is it complete?",
        _completion(seen),
        "## Beside the history",
        _history(seen),
        "## Not exercised",
        "\n".join(f"* {one}" for one in NOT_EXERCISED),
    ]
    return "\n\n".join(parts) + "\n"


def _shape_told(shape: Shape) -> str:
    return (
        f"{shape.accounts:,} accounts, of whom {shape.maintainers:,} maintain a project, {shape.active:,} are active, and "
        f"{shape.critical:,} projects are critical. All doors are those of a running server; who is asked at them:"
    )


_MAILS_TOLD: Final = (
    "Read back from the folder in which mails come to lie. A notice is one digest to one person. Whom it can't reach is told "
    "on the pages, and has a longer grace."
)
_DAYS_HEAD: Final = [
    "day", "here", "on the public index", "live", "covered by everyone", "of them compliant",
    "uploads of the active: allowed", "warned", "refused",
]  # fmt: skip


def _day_row(one: Seen) -> list[str]:
    covered = one.covered.get(SECOND)
    return [
        f"{one.day.at:%Y-%m-%d}",
        one.day.title,
        one.day.there,
        (", ".join(one.live) or "nothing") if one.day.is_asked else "-",
        "-" if covered is None else f"{covered:,}",
        "-" if covered is None else f"{one.compliant.get(SECOND, 0):,} of {covered:,}",
        *(
            f"{one.uploads.get(verdict, 0):,}" if one.day.is_asked else "-"
            for verdict in ("allow", "warn", "deny")
        ),
    ]


def _asked(seen: Sequence[Seen]) -> list[Seen]:
    return [one for one in seen if one.day.is_asked]


def _sights(seen: Sequence[Seen]) -> str:
    views = [one for one in VIEWS if not one.only_pictures]
    rows = [
        [f"{one.day.at:%Y-%m-%d %H:%M}", *(one.sights.get(view.name, "") for view in views)]
        for one in seen
        if one.sights
    ]
    return _table(["at", *(view.what for view in views)], rows) if rows else "No Chromium was there."


def _mails(seen: Sequence[Seen]) -> str:
    rows = [
        [
            f"{one.day.at:%Y-%m-%d %H:%M}",
            f"{one.mailed.notices:,}",
            f"{one.mailed.people:,}",
            f"{one.mailed.most_each:,}",
            _listed(one.mailed.by_kind),
            _listed(one.mailed.unreached),
            _listed(one.mailed.others),
        ]
        for one in seen
    ]
    head = [
        "at",
        "digests",
        "people",
        "most to one at once",
        "notices in them, and on the site",
        "of these to nobody",
        "other mails",
    ]
    return _table(head, rows)


def _listed(counts: Mapping[str, int]) -> str:
    return ", ".join(f"{name} {count:,}" for name, count in sorted(counts.items())) or "-"


def _door_rows(seen: Sequence[Seen]) -> list[list[str]]:
    return [[case, what, *(one.answers.get(case, "") for one in seen)] for case, (what, _) in ASKED.items()]


def _clients(seen: Sequence[Seen]) -> str:
    rows = [[f"{one.day.at:%Y-%m-%d}", who, told] for one in seen for who, told in one.clients.items()]
    return _table(["day", "program and whose token", "answer"], rows) if rows else "No clients were given."


def _completion(seen: Sequence[Seen]) -> str:
    rows = []
    for one in seen:
        if one.completion is not None:
            left = "; ".join(f"{each['count']:,}: {each['sentence']}" for each in one.completion["left"])
            probes = one.completion["probes"]["asked"]
            rows.append(
                [
                    f"{one.day.at:%Y-%m-%d}",
                    "yes" if one.completion["is_complete"] else "no",
                    f"{probes:,}",
                    left,
                ]
            )
    return _table(["day", "complete", "probes of the gate", "what is left"], rows)


def _history(seen: Sequence[Seen]) -> str:
    last = seen[-1]
    weak = {f"{one.day.at:%Y-%m-%d}": _left(one, "weak-tokens") for one in seen if one.completion}
    told, last_call = _mailed_on(seen, "2023-05-25"), _mailed_on(seen, "2023-12-13")
    rows = [
        ["first mandate", "announced 2022-07-08, enforced never", "the same; it held nothing back but the last factor"],
        ["a critical project deleted to be rid of the mark", "done, and builds broke (atomicwrites)", _answer(seen, 0, "A18")],
        ["floods of May 2023", "sign-up and new projects stopped for a weekend, five days before the announcement", f"the same, by switches: a first upload is answered {_frozen(seen)}"],
        ["told of the second mandate", "a post; mails of 2023-12-13 to about 474,000 people", f"by mail on the day itself {told.people:,} people, {told.most_each} each ({_unverified(told)}); on 2023-12-13 again {last_call.people:,}, only those who still lack it"],
        ["organizations", "covered with the rest", f"an owner without a project: {_answer_on(seen, '2023-12-06', 'organization')} before, {_answer_on(seen, '2024-01-01', 'organization')} from 2024-01-01 on"],
        ["recoveries pile up", "they waited more than four months in January 2024, and enforcing went on", _pause_told(seen)],
        ["uploads by password", "refused to the enrolled from 2023-06-01", f"refused to everybody, always ({_answer(seen, 0, 'password')})"],
        ["uploads of new accounts", "refused from 2023-09-08, a month after pages", f"by day: {_answer_on(seen, '2023-08-08', 'A19, upload')}, then {_answer_on(seen, '2023-09-08', 'A19, upload')}"],
        ["everybody", "2024-01-01, whether told or not", f"who was told: {_answer_on(seen, '2024-01-01', 'A3')}; whom no notice reached has 60 days more"],
        ["old tokens that still upload", "until 2024-08-02, unseen", ", ".join(f"{day}: {count:,}" for day, count in weak.items())],
        ["called complete", "yes", _called(seen)],
        ["enrolled of the active", "80 % in August 2024", f"{last.day.enrolled:.0%}, put in"],
    ]  # fmt: skip
    return _table(["what", "there", "here"], rows)


def _unverified(mailed: Mailed) -> str:
    """Say how many no mail could go to, as they never verified an address."""
    return f"{mailed.unreached.get('unverified', 0):,} more have no address that they verified, and read it on the pages"


def _called(seen: Sequence[Seen]) -> str:
    """Say what became of calling it complete while old tokens uploaded, and at the end."""
    tried = next((one for one in seen if f"{one.day.at:%Y-%m-%d}" == "2024-03-02"), None)
    was_refused = tried is not None and any(
        "is refused: " in note and "completed" in note for note in tried.notes
    )
    count = 0 if tried is None else _left(tried, "weak-tokens")
    early = (
        f"refused on 2024-03-02, while {count:,} old tokens uploaded"
        if was_refused
        else "taken on 2024-03-02"
    )
    is_complete = bool(seen[-1].completion and seen[-1].completion["is_complete"])
    return f"{early}; at the end {'yes' if is_complete else 'no: what is left stands above'}"


def _mailed_on(seen: Sequence[Seen], day: str) -> Mailed:
    return next((one.mailed for one in seen if f"{one.day.at:%Y-%m-%d}" == day), Mailed())


def _frozen(seen: Sequence[Seen]) -> str:
    notes = [note for one in seen if f"{one.day.at:%Y-%m-%d}" == "2023-05-20" for note in one.notes]
    return notes[0].rpartition(" ")[2].rstrip(".") if notes else ""


def _pause_told(seen: Sequence[Seen]) -> str:
    """Say from when to when the campaign rested, by what was mailed about it."""
    begun = next((one.day.at for one in seen if one.mailed.by_kind.get("paused")), None)
    ended = next((one.day.at for one in seen if one.mailed.by_kind.get("resumed")), None)
    if begun is None or ended is None:
        return "nothing paused"
    return f"the campaign paused by itself on {begun:%Y-%m-%d %H:%M}, and went on at {ended:%H:%M}, once two operators had decided the cases"


def _left(one: Seen, code: str) -> int:
    left = one.completion["left"] if one.completion else []
    return next((int(each["count"]) for each in left if each["code"] == code), 0)


def _answer(seen: Sequence[Seen], at: int, case: str) -> str:
    return seen[at].answers.get(case, "")


def _answer_on(seen: Sequence[Seen], day: str, case: str) -> str:
    return next((one.answers.get(case, "") for one in seen if f"{one.day.at:%Y-%m-%d}" == day), "")


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(cell.replace("|", "\\|") for cell in line) + " |" for line in lines)


# ---- the page


def _page(seen: Sequence[Seen], shape: Shape) -> str:
    asked = _asked(seen)
    begun = [one for one in asked if one.covered.get(SECOND)]  # before that nobody is asked for anything
    covered = max((one.covered[SECOND] for one in begun), default=0)
    plots = (
        _plot("People who hold what is asked", f"of {covered:,} people covered, since it was announced", begun, [one.compliant.get(SECOND, 0) for one in begun], covered)
        + _plot("Uploads of the active that are refused", f"of {shape.active:,} active people", asked, [one.uploads.get("deny", 0) for one in asked], shape.active)
        + _plot("Old tokens that still upload", f"of {shape.active:,} active people, since it was announced", begun, [_left(one, "weak-tokens") for one in begun], shape.active)
        + _plot("Digests mailed", f"of {shape.maintainers:,} who maintain a project", seen, [one.mailed.notices for one in seen], shape.maintainers)
    )  # fmt: skip
    written = "".join(_as_html(block) for block in _markdown(seen, shape).split("\n\n"))
    head, rest, body = written.partition("<h2>")
    return (
        '<!doctype html><html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width">'
        "<title>The calendar of 2022 to 2024, once more</title><style>:root{color-scheme:light dark}"
        "body{font:16px/1.5 system-ui;max-width:75rem;margin:2rem auto;padding:0 1rem}"
        "div{overflow-x:auto}table{border-collapse:collapse;font-size:.85rem}td,th{border:1px solid #8888;padding:.3rem .5rem;"
        "text-align:left;vertical-align:top}svg{max-width:100%;height:auto}path{fill:light-dark(#2f6fb0,#6ea8e0)}text{font:12px system-ui;fill:currentColor}"
        f"</style><body>{head}{plots}{rest}{body}</body></html>"
    )


def _plot(title: str, denominator: str, seen: Sequence[Seen], values: Sequence[int], top: int) -> str:
    """Draw a bar for each day; the denominator stands on the axis."""
    share, room = (_WIDTH - _LEFT) / max(len(values), 1), _BASE - 20
    bars = "".join(
        f"M{_LEFT + place * share:.1f} {_BASE}v-{value / max(top, 1) * room:.1f}h{share * 0.7:.1f}V{_BASE}z"
        for place, value in enumerate(values)
    )
    labels = "".join(
        f'<text x="{_LEFT + place * share:.1f}" y="{_BASE + 15}">{one.day.at:%y-%m}</text>'
        f'<text x="{_LEFT + place * share:.1f}" y="{_BASE + 28}">{one.day.at:%d}</text>'
        f'<text x="{_LEFT + place * share:.1f}" y="{_BASE - value / max(top, 1) * room - 4:.1f}">{value:,}</text>'
        for place, (one, value) in enumerate(zip(seen, values, strict=True))
    )
    told = html.escape(f"{title}, {denominator}")
    return (
        f'<h2>{html.escape(title)}</h2><svg role="img" aria-label="{told}" viewBox="0 0 {_WIDTH} {_HEIGHT}">'
        f'<text x="0" y="16">{top:,}</text><text x="0" y="{_BASE}">0</text><path d="{bars}"/>{labels}'
        f'<text x="{_LEFT}" y="{_HEIGHT - 4}">{html.escape(denominator)}</text></svg>'
    )


def _as_html(block: str) -> str:
    if block.startswith("#"):
        mark, _, text = block.partition(" ")
        return f"<h{len(mark)}>{html.escape(text)}</h{len(mark)}>"
    if block.startswith("* "):
        return "<ul>" + "".join(f"<li>{_inline(line[2:])}</li>" for line in block.splitlines()) + "</ul>"
    if block.startswith("| "):
        head, _, *rows = [line.strip("| ").split(" | ") for line in block.splitlines()]
        cells = "".join(f'<th scope="col">{_inline(cell)}</th>' for cell in head)
        lines = "".join(
            "<tr>" + "".join(f"<td>{_inline(cell)}</td>" for cell in row) + "</tr>" for row in rows
        )
        return f"<div><table><tr>{cells}</tr>{lines}</table></div>"
    return f"<p>{_inline(block)}</p>"


def _inline(text: str) -> str:
    return html.escape(text).replace("**", "").replace("\\|", "|")
