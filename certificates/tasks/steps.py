"""The steps of `schedule_work`, and one statement that finds those that are due.

An idle zone has no work, but each step needs at least one statement to find this out. So every step
has questions, and one statement contains all of them. A question finds at least what its step
finds, because the step reads the rows again. Steps without a question can wait.

See: D-340
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from datetime import datetime, timedelta
from typing import Any, NamedTuple

from django.db.models import Exists, Expression, QuerySet

from console.models import Heartbeat
from devices.models import Zone

Question = QuerySet[Any] | Expression
# All steps run at this interval, also those without a question.
FULL_INTERVAL = timedelta(seconds=30)
FULL_TURN = "schedule-work"
# A time of a full turn that is further ahead is not used: the clock was wrong when it was stored.
MAX_CLOCK_DIFFERENCE = timedelta(minutes=1)


class Step(NamedTuple):
    """A step, and the questions that find its work: rows, or whether there are rows.

    `makes_work`: after it, the steps that follow can have work.
    """

    name: str
    run: Callable[[datetime], object]
    ask: Callable[[datetime], Iterable[Question]]
    makes_work: bool = False


def ask_nothing(_now: datetime) -> tuple[Question, ...]:
    """Ask no question: the step runs in full turns only."""
    return ()


def run_due(steps: Sequence[Step], now: datetime) -> None:
    """Run the steps that have work, or all of them every FULL_INTERVAL. Without a zone, none."""
    due = find_due((Step(FULL_TURN, _record_full_turn, _ask_for_full_turn), *steps), now)
    if due is None:
        return
    if FULL_TURN in due:
        for step in steps:
            step.run(now)
        # Last, so that all steps are repeated in the next turn if one of them fails.
        _record_full_turn(now)
        return
    is_outdated = False
    for position, step in enumerate(steps):
        if is_outdated and not step.makes_work:
            due |= find_due(steps[position:], now) or set()
            is_outdated = False
        if step.name in due:
            step.run(now)
            is_outdated = is_outdated or step.makes_work


def find_due(steps: Iterable[Step], now: datetime) -> set[str] | None:
    """Return the names of the steps that have work, with one statement. None without a zone."""
    names: list[str] = []
    questions: list[Expression | Exists] = []
    for step in steps:
        for question in step.ask(now):
            names.append(step.name)
            questions.append(Exists(question) if isinstance(question, QuerySet) else question)
    zones: Any = Zone.objects.order_by("pk")
    answers = zones.values_list(*questions).first()
    if answers is None:
        return None
    return {name for name, answer in zip(names, answers, strict=True) if answer}


def _ask_for_full_turn(now: datetime) -> tuple[Question, ...]:
    turns = Heartbeat.objects.filter(name=FULL_TURN)
    since, until = now - FULL_INTERVAL, now + MAX_CLOCK_DIFFERENCE
    return (~Exists(turns.filter(at__gt=since, at__lte=until)),)


def _record_full_turn(now: datetime) -> None:
    Heartbeat.objects.record(FULL_TURN, now)
