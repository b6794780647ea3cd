from __future__ import annotations

import pytest

from keyhouse.core import configuration
from keyhouse.core.configuration import ConfigurationError
from keyhouse.core.mail_servers import MailServer, read_mail_server


@pytest.mark.parametrize(
    ("text", "server"),
    [
        ("smtp://mail.test", MailServer("mail.test", 587, is_tls=False, starttls="required")),
        ("smtps://mail.test", MailServer("mail.test", 465, is_tls=True, starttls="required")),
        ("smtp://localhost:25", MailServer("localhost", 25, is_tls=False, starttls="offered")),
        ("smtp://[::1]:25/", MailServer("::1", 25, is_tls=False, starttls="offered")),
        ("smtp://relay:25?starttls=off", MailServer("relay", 25, is_tls=False, starttls="off")),
        (
            "smtp://us%40er:p%3A%2Fw@mail.test:2525?from=a+b@x.test&starttls=offered",
            MailServer("mail.test", 2525, False, "offered", "us@er", "p:/w", "a+b@x.test"),
        ),
    ],
)
def test_a_server_is_read(text: str, server: MailServer) -> None:
    assert read_mail_server(text) == server


@pytest.mark.parametrize(
    "text",
    ["http://mail.test", "smtp://", "smtp:mail.test", "smtp://mail.test:x", "smtp://mail.test:99999", "smtp://mail.test/box",
     "smtp://mail.test?form=a@x.test", "smtp://mail.test?from=nobody", "smtp://mail.test?from=a..b@x.test", "smtp://mail.test?from=a@b@x.test", "smtp://mail.test?from=a@x%0ABcc:e@y",
     "smtp://mail.test?starttls=maybe", "smtp://mail.test?from=a@x&from=b@x", "smtp://mail.test#x"],
)  # fmt: skip
def test_a_bad_setting_stops_the_start_and_shows_no_password(text: str) -> None:
    text = text.replace("//mail", "//user:s3cret@mail")
    with pytest.raises(ConfigurationError) as told:
        configuration.read({"KEYHOUSE_MAIL_URL": text})
    assert "KEYHOUSE_MAIL_URL" in str(told.value)
    assert "s3cret" not in str(told.value)


def test_a_password_is_not_shown() -> None:
    assert "s3cret" not in repr(read_mail_server("smtp://user:s3cret@mail.test"))


@pytest.mark.parametrize("token", ["short", "x" * 15, "x" * 16 + " y", "ü" * 20, "x" * 16 + "\x7f"])
def test_a_token_that_can_be_guessed_or_sent_wrongly_is_refused(token: str) -> None:
    with pytest.raises(ConfigurationError) as told:
        configuration.read({"KEYHOUSE_MAIL_BOUNCE_TOKEN": token})
    assert token not in str(told.value)
