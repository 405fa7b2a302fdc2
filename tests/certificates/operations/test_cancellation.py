"""Cancel raced against the activation: whatever the order, exactly one of them wins (D-24)."""

import threading
from datetime import timedelta

import pytest
from django.db import connection
from django.utils import timezone

from audit.chain.states import WrongMove
from certificates.models import Operation
from certificates.operations import cancellation, scheduler
from certificates.operations.cancellation import TooLateToCancel
from certificates.operations.states import OperationState
from systemupdates.models import Notice
from tests.support import walkthrough
from wire import metadata

pytestmark = pytest.mark.django_db(transaction=True)
ROUNDS = 100
MOMENT = timedelta(milliseconds=1)
S = OperationState


def side_by_side(*acts):
    """Run acts at the same moment, each in a thread with a connection of its own."""
    start, said = threading.Barrier(len(acts)), {}

    def run(name, act):
        start.wait(10)
        try:
            act()
            said[name] = "won"
        except (TooLateToCancel, WrongMove) as fault:
            said[name] = type(fault).__name__
        except BaseException as error:
            said[name] = repr(error)
        finally:
            connection.close()

    threads = [threading.Thread(target=run, args=act) for act in acts]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    return said


def assigned(zone):
    """A Remint CA whose every server is ready, one moment from its lock-out."""
    operation = walkthrough.remint_ca()
    walkthrough.prepare(zone, operation)
    Operation.objects.filter(pk=operation.pk).update(state=S.ASSIGNED, forced=True)
    return Operation.objects.get(pk=operation.pk)


def test_of_cancel_and_activation_exactly_one_wins_a_hundred_times(zone):
    lockout = zone.zone.lockout
    known = assigned(zone)
    winners = []
    for _round in range(ROUNDS):
        Notice.objects.all().delete()
        Operation.objects.filter(pk=known.pk).update(
            state=S.ASSIGNED, activates_at=timezone.now() + timedelta(hours=1)
        )
        mine, theirs = (Operation.objects.get(pk=known.pk) for _n in range(2))
        locks_at = mine.locks_at(lockout)

        said = side_by_side(
            ("cancel", lambda op=mine, at=locks_at: cancellation.cancel(op, now=at - MOMENT)),
            ("go", lambda op=theirs, at=locks_at: scheduler.advance(op, now=at + MOMENT)),
        )

        row = Operation.objects.get(pk=known.pk)
        gone = Notice.objects.filter(kind=Notice.Kind.GO).exists()
        assert (row.state, gone) in ((S.CANCELLING, False), (S.ACTIVATING, True)), said
        won = [name for name, how in said.items() if how == "won"]
        assert won == ["cancel" if row.state == S.CANCELLING else "go"], said
        winners += won
        # The loser loses for good: neither comes through afterwards.
        if won == ["cancel"]:
            scheduler.advance(Operation.objects.get(pk=known.pk), now=locks_at + lockout)
            assert not Notice.objects.filter(kind=Notice.Kind.GO).exists()
            assert Operation.objects.get(pk=known.pk).state == S.CANCELLED
            assert Notice.objects.get(kind=Notice.Kind.CANCEL).signed().payload_type == (
                metadata.CANCEL
            )
        else:
            with pytest.raises(TooLateToCancel):
                cancellation.cancel(row, now=locks_at - MOMENT)
    assert len(winners) == ROUNDS
