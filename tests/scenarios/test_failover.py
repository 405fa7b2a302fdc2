"""The database fails over to an asynchronous replica in the middle of a Remint CA (D-165).

The last transactions are lost: the server already has its new certificate, and the database that
took over has not even a CSR. Nothing is done by an administrator but accepting the lost entries.
"""

from __future__ import annotations

import json
from contextlib import ExitStack
from threading import Thread

import pytest

from pki.certificates import details
from tests.harness import evidence
from tests.harness.installation import Data, Server
from tests.harness.replica import Replica
from tests.harness.visitor import Visitor
from tests.harness.zone import until
from tests.scenarios.production import reaches
from tests.scenarios.running_zone import REMINT

pytestmark = [pytest.mark.scenario, pytest.mark.long, pytest.mark.timeout(900)]
CERTIFICATES = """
import json
from certificates.models import Operation, ServerCertificate
operation = Operation.objects.get()
print(json.dumps({
    "futures": list(operation.futures.values_list("state", flat=True)),
    "in use": list(ServerCertificate.objects.current().values_list("digest", flat=True))}))
"""
OPERATION = "SELECT state FROM certificates_operation"
CSRS = "SELECT count(*) FROM certificates_futurecertificate WHERE csr_pem <> ''"


def certificates(server: Server) -> dict[str, list[str]]:
    """Return the states of the new certificates, and the digests of the current ones."""
    return dict(json.loads(server.shell(CERTIFICATES).splitlines()[-1]))


def test_an_operation_survives_a_failover_that_loses_the_last_transactions(
    production: tuple[Data, Server, Visitor],
) -> None:
    data, server, _visitor = production
    with ExitStack() as stack:
        replica = Replica(data, stack)
        until(replica.follows, "the replica follows", 60)
        remint = REMINT.replace("DEMO-ZONE", "ACME 2").format(seconds=150, extra={})
        # The state in which the update is signed lasts for a second only.
        behind = Thread(target=replica.stop_when, args=(OPERATION, "replicating"))
        behind.start()
        server.shell(remint)
        behind.join()
        reaches(server, "assigned")
        until(lambda: certificates(server)["futures"] == ["created"], "it is signed", 60)
        new = server.home / "remint-repo"
        until(lambda: list(new.glob("*/future.pem")), "the server has its certificate", 60)

        data.kill_database()
        assert replica.take_over(CSRS) == "0", "the replica is behind"
        reaches(server, "completed")
        until(lambda: server.ill() == {}, "all parts are well again", 90)
        shown = evidence.served_certificate(server.address, int(server.ports["ZCC_PORT"]))
        assert details.get_details(shown).issuer_common_name == "ACME 2"
        assert certificates(server)["in use"] == [details.get_digest(shown)]
        server.run("python", "manage.py", "verify_audit", "--accept", "Failover to the replica")
        assert "The audit log is intact" in server.run("python", "manage.py", "verify_audit")
