"""Single values, held against what envoy-data-plane encodes."""

from datetime import UTC, datetime

import betterproto2
import pytest
from envoy_data_plane.google import protobuf

from bridge.resources.literal import absent, duration, literal, timestamp, unpacked
from bridge.resources.wire import parsed


@pytest.mark.parametrize(
    ("message", "proto_type", "expected"),
    [
        (protobuf.Int32Value(value=-5), betterproto2.TYPE_INT32, -5),
        (protobuf.Int64Value(value=-(1 << 62)), betterproto2.TYPE_INT64, str(-(1 << 62))),
        (protobuf.UInt32Value(value=(1 << 32) - 1), betterproto2.TYPE_UINT32, (1 << 32) - 1),
        (protobuf.UInt64Value(value=(1 << 64) - 1), betterproto2.TYPE_UINT64, str((1 << 64) - 1)),
        (protobuf.FloatValue(value=0.5), betterproto2.TYPE_FLOAT, 0.5),
        (protobuf.DoubleValue(value=-1e300), betterproto2.TYPE_DOUBLE, -1e300),
        (protobuf.BoolValue(value=True), betterproto2.TYPE_BOOL, True),
        (protobuf.StringValue(value="é"), betterproto2.TYPE_STRING, "é"),
        (protobuf.BytesValue(value=b"\xff\x00"), betterproto2.TYPE_BYTES, "/wA="),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_values_are_what_was_encoded(message: betterproto2.Message, proto_type: str, expected: object) -> None:
    ((number, value),) = parsed(bytes(message))

    assert number == 1
    assert literal(proto_type, value) == expected


@pytest.mark.parametrize(
    ("proto_type", "encoded", "expected"),
    [
        (betterproto2.TYPE_SINT32, 3, -2),
        (betterproto2.TYPE_SINT64, (1 << 64) - 1, str(-(1 << 63))),
        (betterproto2.TYPE_FIXED32, b"\xff\xff\xff\xff", (1 << 32) - 1),
        (betterproto2.TYPE_SFIXED32, b"\xff\xff\xff\xff", -1),
        (betterproto2.TYPE_FIXED64, b"\x01" + bytes(7), "1"),
        (betterproto2.TYPE_SFIXED64, b"\xff" * 8, "-1"),
    ],
)
def test_numbers_of_other_encodings(proto_type: str, encoded: int | bytes, expected: object) -> None:
    assert literal(proto_type, encoded) == expected


@pytest.mark.parametrize(
    ("proto_type", "expected"),
    [
        (betterproto2.TYPE_STRING, ""),
        (betterproto2.TYPE_BYTES, ""),
        (betterproto2.TYPE_BOOL, False),
        (betterproto2.TYPE_INT32, 0),
        (betterproto2.TYPE_UINT64, "0"),
        (betterproto2.TYPE_DOUBLE, 0.0),
    ],
)
def test_what_is_absent_has_its_default(proto_type: str, expected: object) -> None:
    assert literal(proto_type, absent(proto_type)) == expected


@pytest.mark.parametrize(
    ("proto_type", "value", "expected"),
    [
        (betterproto2.TYPE_UINT32, b"\x01\xac\x02\x03", [1, 300, 3]),
        (betterproto2.TYPE_FIXED32, b"\x01\0\0\0\x02\0\0\0", [b"\x01\0\0\0", b"\x02\0\0\0"]),
        (betterproto2.TYPE_UINT32, 7, [7]),
        (betterproto2.TYPE_STRING, b"\x01\x02", [b"\x01\x02"]),
    ],
)
def test_numbers_of_a_list_may_share_a_field(proto_type: str, value: int | bytes, expected: list[int | bytes]) -> None:
    assert list(unpacked(proto_type, value)) == expected


@pytest.mark.parametrize(
    ("seconds", "nanos", "expected"),
    [
        (0, 0, "0s"),
        (90, 0, "90s"),
        (0, 250_000_000, "0.25s"),
        (1, 1, "1.000000001s"),
        (-1, -500_000_000, "-1.5s"),
    ],
)
def test_durations_are_seconds(seconds: int, nanos: int, expected: str) -> None:
    assert duration(bytes(protobuf.Duration(seconds=seconds, nanos=nanos))) == expected


def test_times_are_in_utc() -> None:
    moment = datetime(2026, 1, 31, 12, 0, 0, 250_000, UTC)

    assert timestamp(bytes(protobuf.Timestamp.from_datetime(moment))) == "2026-01-31T12:00:00.250000Z"
