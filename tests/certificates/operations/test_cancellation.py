"""Cancel and activation exclude each other, also when they run concurrently (D-24)."""

import threading
from datetime import timedelta

import pytest
from django.db import connection
from django.utils import timezone

from audit.chain.states import InvalidTransition
from certificates.models import Operation
from certificates.operations import cancellation, scheduler
from certificates.operations.cancellation import TooLateToCancel
from certificates.operations.states import OperationState
from systemupdates.models import TrustNotice
from tests.support import walkthrough
from wire import metadata

pytestmark = pytest.mark.django_db(transaction=True)
ROUNDS = 100
MOMENT = timedelta(milliseconds=1)
S = OperationState


def run_concurrently(*actions):
    """Run actions at the same time, each in a thread with its own database connection."""
    start, results = threading.Barrier(len(actions)), {}

    def run(name, action):
        start.wait(10)
        try:
            action()
            results[name] = "won"
        except (TooLateToCancel, InvalidTransition) as fault:
            results[name] = type(fault).__name__
        except BaseException as error:
            results[name] = repr(error)
        finally:
            connection.close()

    threads = [threading.Thread(target=run, args=action) for action in actions]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    return results


def assigned(zone):
    """An assigned Remint CA operation whose servers are all ready."""
    operation = walkthrough.remint_ca()
    walkthrough.prepare(zone, operation)
    Operation.objects.filter(pk=operation.pk).update(state=S.ASSIGNED, forced=True)
    return Operation.objects.get(pk=operation.pk)


@pytest.mark.manual("R095")
def test_cancel_and_activation_exclude_each_other(zone):
    freeze_period = zone.zone.freeze_period
    known = assigned(zone)
    winners = []
    for _round in range(ROUNDS):
        TrustNotice.objects.all().delete()
        Operation.objects.filter(pk=known.pk).update(
            state=S.ASSIGNED, activates_at=timezone.now() + timedelta(hours=1)
        )
        mine, theirs = (Operation.objects.get(pk=known.pk) for _n in range(2))
        freezes_at = mine.freezes_at(freeze_period)

        results = run_concurrently(
            ("cancel", lambda op=mine, at=freezes_at: cancellation.cancel(op, now=at - MOMENT)),
            ("activation", lambda op=theirs, at=freezes_at: scheduler.advance(op, now=at + MOMENT)),
        )

        row = Operation.objects.get(pk=known.pk)
        is_ordered = TrustNotice.objects.filter(kind=TrustNotice.Kind.ACTIVATION_ORDER).exists()
        assert (row.state, is_ordered) in ((S.CANCELING, False), (S.ACTIVATING, True)), results
        won = [name for name, how in results.items() if how == "won"]
        assert won == ["cancel" if row.state == S.CANCELING else "activation"], results
        winners += won
        # The rejected action stays rejected.
        if won == ["cancel"]:
            scheduler.advance(Operation.objects.get(pk=known.pk), now=freezes_at + freeze_period)
            assert not TrustNotice.objects.filter(kind=TrustNotice.Kind.ACTIVATION_ORDER).exists()
            assert Operation.objects.get(pk=known.pk).state == S.CANCELED
            assert TrustNotice.objects.get(
                kind=TrustNotice.Kind.CANCELLATION
            ).get_envelope().payload_type == (metadata.CANCELLATION)
        else:
            with pytest.raises(TooLateToCancel):
                cancellation.cancel(row, now=freezes_at - MOMENT)
    assert len(winners) == ROUNDS
