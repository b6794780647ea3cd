from __future__ import annotations

from dataclasses import replace
from email import message_from_bytes, policy
from email.message import EmailMessage

import pytest
from hypothesis import given
from tests.mail.conftest import LETTER, NOW, SECRET_LINK, Configure
from tests.mail.test_letters import LETTERS

from keyhouse.core import configuration
from keyhouse.mail.letters import Letter, Link, Text
from keyhouse.mail.messages import AddressError, compose, recipient_of

HEADERS = {
    "From", "To", "Subject", "Date", "Message-ID", "Auto-Submitted", "X-Keyhouse-Kind", "MIME-Version", "Content-Type",
}  # fmt: skip


def written(letter: Letter = LETTER, to: str = "ada@example.org") -> tuple[bytes, EmailMessage]:
    message = compose(letter, to=to, at=NOW, token="ab12", settings=configuration.current())
    content = message.as_bytes()
    read = message_from_bytes(content, policy=policy.default)
    assert isinstance(read, EmailMessage)
    return content, read


def body(message: EmailMessage, kind: str) -> str:
    part = message.get_body((kind,))
    assert part is not None
    return str(part.get_content())


def test_the_headers_are_those_of_a_mail_that_a_machine_sent(configure: Configure) -> None:
    configure(base_url="https://index.example.org")
    _, message = written()
    assert set(message.keys()) == HEADERS
    assert message["From"] == "Keyhouse <keyhouse@index.example.org>"
    assert message["Message-ID"] == "<ab12@index.example.org>"
    assert message["Date"] == "Mon, 06 May 2024 07:08:09 +0000"
    assert message["Auto-Submitted"] == "auto-generated"
    assert message["X-Keyhouse-Kind"] == "password-reset"


@pytest.mark.parametrize(
    ("base", "domain"), [("http://127.0.0.1:8400", "[127.0.0.1]"), ("http://[::1]:8400", "[IPv6:::1]")]
)
def test_a_host_without_a_name_is_written_as_an_address(configure: Configure, base: str, domain: str) -> None:
    configure(base_url=base)
    assert written()[1]["Message-ID"] == f"<ab12@{domain}>"


def test_the_same_mail_is_the_same_bytes_each_time() -> None:
    assert written()[0] == written()[0]


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r", "\x0b", "\x0c", "\x00", "\u2028"])
def test_no_value_ends_a_header(end: str) -> None:
    evil = f"x{end}Bcc: eve@example.org{end}{end}body"
    content, message = written(Letter(evil, evil, (Text(evil),)))
    assert message["Bcc"] is None
    head = content.partition(b"\r\n\r\n")[0]
    assert not any(line.lower().startswith(b"bcc") for line in head.splitlines())
    with pytest.raises(AddressError):
        written(to=f"ada@example.org{end}Bcc: eve@example.org")


@pytest.mark.parametrize(
    "to",
    ["", "@", "ada", "ada@", "@example.org", "a@b@c", "a, b@example.org", "<ada@example.org>", "Ada <ada@example.org>", "a@.org",
     "ada@example.org,eve@example.org", "ada@example.org eve@example.org", "ädä@example.org", "ada@\ud800.org"],
)  # fmt: skip
def test_what_is_not_one_address_gets_no_mail(to: str) -> None:
    with pytest.raises(AddressError):
        written(to=to)


def test_a_recipient_may_have_an_international_domain_and_quotes() -> None:
    message = compose(LETTER, to="ada@bücher.example", at=NOW, token="x", settings=configuration.current())
    assert recipient_of(message) == "ada@xn--bcher-kva.example"


def test_long_lines_are_encoded_and_short_ones_can_be_read_in_the_file() -> None:
    content, message = written(
        replace(LETTER, blocks=(Text("wörd " * 2000), Link("go", SECRET_LINK + "y" * 2000)))
    )
    assert max(len(line) for line in content.splitlines()) <= 998
    assert SECRET_LINK + "y" * 2000 in body(message, "plain").splitlines()
    assert SECRET_LINK.encode() in written()[0].splitlines()


def test_a_huge_subject_and_any_letters_are_encoded() -> None:
    content, message = written(replace(LETTER, subject="Ünïcödé 🔑 " * 10_000))
    assert message["Subject"].startswith("Ünïcödé 🔑")
    assert content.isascii()
    assert max(len(line) for line in content.splitlines()) <= 998


def test_the_sender_is_as_configured(configure: Configure) -> None:
    configure(mail_url="smtp://mail.test?from=Der%20Ind%C3%A9x%20%3Cindex%2Bpkg@example.org%3E")
    _, message = written()
    assert message["From"].addresses[0].addr_spec == "index+pkg@example.org"
    assert message["From"].addresses[0].display_name == "Der Indéx"


@given(LETTERS)
def test_every_letter_becomes_a_message(letter: Letter) -> None:
    content, message = written(letter)
    assert content.isascii()
    assert set(message.keys()) == HEADERS
    assert message["Bcc"] is None
    assert max(len(line) for line in content.splitlines()) <= 998
