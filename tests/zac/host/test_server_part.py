"""The server part of the agent: CSRs."""

from pki import keys
from pki.formats import csr
from wire.update_messages import CsrParameters
from zac.host.server_part import PkiServerPart

LONG = "a-server-with-a-very-long-name.in-a-department.of-a-subsidiary.example.com"


def test_a_csr_can_be_created_for_a_name_that_is_too_long_for_a_subject():
    parameters = CsrParameters(LONG, 256, dns_names=[LONG], addresses=["10.0.0.1"])
    request = csr.parse_csr(PkiServerPart().build_csr(keys.generate_key(256), parameters))
    assert len(LONG) > 64
    assert request.names.dns == (LONG,)
    assert request.names.addresses == ("10.0.0.1",)
