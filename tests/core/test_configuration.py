import pytest

from keyhouse.core import configuration
from keyhouse.core.configuration import ConfigurationError


@pytest.mark.parametrize(
    ("given", "origin"),
    [
        ("https://index.example.org/", "https://index.example.org"),
        ("http://localhost:8400", "http://localhost:8400"),
        ("https://[2001:db8::7]:8443", "https://[2001:db8::7]:8443"),
        ("https://büro.example", "https://xn--bro-hoa.example"),
    ],
)
def test_the_base_url_is_the_root_of_a_host(given: str, origin: str) -> None:
    settings = configuration.read({"KEYHOUSE_BASE_URL": given})
    assert (settings.base_url, settings.origin) == (given.rstrip("/"), origin)


def test_https_is_https_however_it_is_written() -> None:
    settings = configuration.read({"KEYHOUSE_BASE_URL": "HTTPS://index.example.org"})
    assert (settings.base_url, settings.is_https) == ("https://index.example.org", True)


@pytest.mark.parametrize(
    "given",
    [
        "https://index.example.org/packages",
        "https://index.example.org/?a=b",
        "https://index.example.org/#top",
        "https://ada:secret@index.example.org",
        "https://index.example.org:99999",
        "https://index.example.org:0",
        "https://:8443",
        "https://.",
        f"https://{'ü' * 80}.example",
        "https://[::1",
        "https:index.example.org",
        "https://index example.org",
        "https://index.example.org\n",
        "index.example.org",
        "ftp://index.example.org",
    ],
)
def test_whatever_else_stops_the_start(given: str) -> None:
    with pytest.raises(ConfigurationError, match=r"KEYHOUSE_BASE_URL: .* it takes the root of a host"):
        configuration.read({"KEYHOUSE_BASE_URL": given})
