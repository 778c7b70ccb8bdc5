"""What is secret is taken out of texts, and nothing else is."""

import pytest

from bridge.redaction import REDACTED, redacted

NACK = """Error adding/updating cluster(s) web: name: "web"
health_checks {
  http_health_check {
    request_headers_to_add {
      header {
        key: "x-api-key"
        value: "s3c\\"r3t"
      }
    }
  }
}
transport_socket {
  private_key { inline_string: "-----BEGIN PRIVATE KEY-----\\nabc" }
  password: "open sesame"
}
metadata { fields { key: "Token" value { string_value: "t0k3n" } } fields { key: "zone" value: "a" } }
}
: Proto constraint validation failed (value is required)"""


def test_a_rejected_resource_is_shown_without_its_secrets() -> None:
    said = redacted(NACK)

    assert said == NACK.replace('s3c\\"r3t', REDACTED).replace("t0k3n", REDACTED).replace(
        "-----BEGIN PRIVATE KEY-----\\nabc", REDACTED
    ).replace("open sesame", REDACTED)


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ('header { key: "cookie" raw_value: "unfini', f'header {{ key: "cookie" raw_value: "{REDACTED}"'),
        ("https://u:p@a@host/x", f"https://{REDACTED}@host/x"),
        ("https://host/x?a=1&api_token=2&b=3", f"https://host/x?a=1&api_token={REDACTED}&b=3"),
        ("db_password=x, y", f"db_password={REDACTED}, y"),
        ("of -----BEGIN KEY-----\nabc\n-----END KEY----- it", f"of {REDACTED} it"),
        ("of -----BEGIN KEY-----\nabc", f"of {REDACTED}"),
        ("Bearer abc", f"Bearer {REDACTED}"),
        ("the token was refused", "the token was refused"),
        ('key: "zone" value: "a"', 'key: "zone" value: "a"'),
        ("web at 10.0.0.7:8080, user@host", "web at 10.0.0.7:8080, user@host"),
    ],
)
def test_what_is_secret_is_known_by_what_stands_beside_it(text: str, shown: str) -> None:
    assert redacted(text) == shown
