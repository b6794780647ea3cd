"""TLS, signing in, and what is never sent in the clear."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.mail.conftest import NOW, Configure
from tests.mail.smtp_server import SmtpServer, make_certificate, running

from keyhouse.core import configuration
from keyhouse.core.mail_servers import MailServer
from keyhouse.mail.transports import Parcel, TroubleError, open_transport

PARCEL = Parcel("index@keyhouse.test", "ada@example.org", b"Subject: x\r\n\r\n.dot\r\nbody\r\n", 1, NOW)


def failing_step(configure: Configure, **settings: object) -> tuple[str, str]:
    configure(**settings)
    with pytest.raises(TroubleError) as caught:
        send()
    return caught.value.step, caught.value.told


def send() -> None:
    transport = open_transport(configuration.current())
    try:
        transport.send(PARCEL)
    finally:
        transport.close()


def test_smtps_is_verified_by_the_configured_authority(configure: Configure, tmp_path: Path) -> None:
    tls, authority = make_certificate(tmp_path)
    with running(tls, is_tls_from_start=True) as server:
        url = f"smtps://localhost:{server.port}"
        assert failing_step(configure, mail_url=url)[0] == "tls"
        assert server.lines == []
        configure(mail_url=url, ca_file=authority)
        send()
        assert server.received[0].was_encrypted
        assert server.received[0].content == PARCEL.content


def test_a_certificate_for_another_name_is_refused(configure: Configure, tmp_path: Path) -> None:
    tls, authority = make_certificate(tmp_path, "other.test")
    with running(tls, is_tls_from_start=True) as server:
        step, told = failing_step(configure, mail_url=f"smtps://localhost:{server.port}", ca_file=authority)
        assert step == "tls"
        assert "CERTIFICATE_VERIFY_FAILED" in told
        assert server.lines == []


def test_starttls_is_used_where_it_is_offered_and_verified_too(configure: Configure, tmp_path: Path) -> None:
    tls, authority = make_certificate(tmp_path)
    with running(tls) as server:
        url = f"smtp://localhost:{server.port}"
        assert failing_step(configure, mail_url=url)[0] == "tls"
        assert not any(line.startswith("MAIL") for line in server.lines)
        configure(mail_url=url, ca_file=authority)
        send()
        assert server.received[0].was_encrypted


def test_starttls_that_is_cut_out_stops_the_mail_where_it_is_required(
    server: SmtpServer, configure: Configure
) -> None:
    url = f"smtp://localhost:{server.port}?starttls=required"
    assert failing_step(configure, mail_url=url) == ("tls", "the server offers no STARTTLS")
    assert server.received == []


def test_signing_in(configure: Configure, tmp_path: Path) -> None:
    tls, authority = make_certificate(tmp_path)
    with running(tls) as server:
        server.behaviour.password = "s3cret/+"
        configure(mail_url=f"smtp://us%40er:s3cret%2F%2B@localhost:{server.port}", ca_file=authority)
        send()
        assert server.received[0].user == "us@er"
        step, told = failing_step(configure, mail_url=f"smtp://user:wr0ng-one@localhost:{server.port}")
        assert step == "sign-in"
        assert "wr0ng" not in told


def test_a_password_is_never_sent_in_the_clear_beyond_this_machine(
    server: SmtpServer, configure: Configure, monkeypatch: pytest.MonkeyPatch
) -> None:
    server.behaviour.password = "s3cret"
    monkeypatch.setattr(MailServer, "is_local", False)
    url = f"smtp://user:s3cret@localhost:{server.port}?starttls=off"
    assert failing_step(configure, mail_url=url)[0] == "sign-in"
    assert not any("AUTH" in line for line in server.lines)


@pytest.mark.parametrize("url", ["smtp://127.0.0.1:1", "smtp://no-such-host.invalid"])
def test_a_server_that_is_not_there(configure: Configure, url: str) -> None:
    assert failing_step(configure, mail_url=url)[0] == "connect"


def test_a_server_that_speaks_something_else(configure: Configure) -> None:
    with running() as server:
        server.behaviour.replies["EHLO"] = lambda _: "500 what"
        server.behaviour.replies["HELO"] = lambda _: "HTTP/1.1 400 Bad Request"
        step, told = failing_step(configure, mail_url=f"smtp://127.0.0.1:{server.port}")
        assert step == "connect"
        assert told
