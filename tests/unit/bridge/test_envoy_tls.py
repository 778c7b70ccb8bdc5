from collections.abc import Callable
from pathlib import PurePosixPath

import pytest

from bridge.bootstrap import BRIDGE_CLUSTER, BootstrapOptions, SocketAddress, render
from bridge.cli.bootstrap import Part, content, tls
from bridge.envoy_tls import EnvoyTls, Secret, secret, transport_socket
from bridge.errors import ConfigError
from support.tree import at

CA, CERTIFICATE, KEY = (PurePosixPath(f"/tls/{name}") for name in ("ca.crt", "tls.crt", "tls.key"))
CONTEXT = ("typed_config", "common_tls_context")


def test_the_cluster_of_bridges_gets_it() -> None:
    bridges = (SocketAddress("bridge.internal", 18000),)
    options = BootstrapOptions("edge-1", "edge", bridges, tls=EnvoyTls(ca=CA))

    cluster = at(render(options), "static_resources", "clusters", 0)

    assert at(cluster, "name") == BRIDGE_CLUSTER
    assert at(cluster, "transport_socket") == transport_socket(EnvoyTls(ca=CA), ["bridge.internal"])


@pytest.mark.parametrize(
    ("server_name", "hosts", "names", "sni"),
    [
        ("", ["bridge.internal"], [("DNS", "bridge.internal")], "bridge.internal"),
        ("", ["10.0.0.5", "10.0.0.6"], [("IP_ADDRESS", "10.0.0.5"), ("IP_ADDRESS", "10.0.0.6")], None),
        ("", ["::1"], [("IP_ADDRESS", "::1")], None),
        ("", ["b", "a", "b"], [("DNS", "a"), ("DNS", "b")], None),
        ("bridge.internal", ["10.0.0.5"], [("DNS", "bridge.internal")], "bridge.internal"),
        ("spiffe://prod/xds-bridge", ["10.0.0.5"], [("URI", "spiffe://prod/xds-bridge")], None),
    ],
)
def test_a_bridge_is_believed_by_its_name_too(
    server_name: str, hosts: list[str], names: list[tuple[str, str]], sni: str | None
) -> None:
    """An Envoy's certificate has the same authority as a bridge's, most often; it must not pass for one."""
    socket = transport_socket(EnvoyTls(ca=CA, server_name=server_name), hosts)

    matchers = at(socket, *CONTEXT, "validation_context", "match_typed_subject_alt_names")
    assert matchers == [{"san_type": kind, "matcher": {"exact": name}} for kind, name in names]
    context = at(socket, "typed_config")
    assert isinstance(context, dict)
    assert context.get("sni") == sni


def test_files_by_path_stand_in_the_bootstrap_itself() -> None:
    socket = transport_socket(EnvoyTls(ca=CA, certificate=CERTIFICATE, private_key=KEY), ["bridge"])

    assert at(socket, *CONTEXT, "validation_context", "trusted_ca", "filename") == "/tls/ca.crt"
    assert at(socket, *CONTEXT, "tls_certificates", 0, "private_key", "filename") == "/tls/tls.key"
    assert at(socket, *CONTEXT, "alpn_protocols") == ["h2"]


def test_secrets_are_taken_from_files_of_their_own() -> None:
    own = EnvoyTls(ca=CA, certificate=CERTIFICATE, private_key=KEY, secrets=PurePosixPath("/etc/envoy"))

    socket = transport_socket(own, ["bridge"])

    reference = at(socket, *CONTEXT, "tls_certificate_sds_secret_configs", 0)
    assert at(reference, "name") == "xds_bridge_certificate"
    assert at(reference, "sds_config", "path_config_source", "path") == "/etc/envoy/xds_bridge_certificate.yaml"
    validation = at(socket, *CONTEXT, "combined_validation_context")
    assert at(validation, "validation_context_sds_secret_config", "name") == "xds_bridge_ca"
    assert at(validation, "default_validation_context", "match_typed_subject_alt_names", 0, "san_type") == "DNS"


def test_a_secret_names_the_files_and_where_to_watch_for_them() -> None:
    own = EnvoyTls(ca=CA, certificate=CERTIFICATE, private_key=KEY)

    pair, ca = (at(secret(own, which), "resources", 0) for which in Secret)

    assert at(pair, "name") == "xds_bridge_certificate"
    assert at(pair, "tls_certificate", "watched_directory", "path") == "/tls"
    assert at(pair, "tls_certificate", "certificate_chain", "filename") == "/tls/tls.crt"
    assert at(ca, "name") == "xds_bridge_ca"
    assert at(ca, "validation_context", "watched_directory", "path") == "/tls"


def test_a_pair_in_two_directories_is_watched_in_both() -> None:
    own = EnvoyTls(ca=CA, certificate=CERTIFICATE, private_key=PurePosixPath("/keys/tls.key"))

    pair = at(secret(own, Secret.CERTIFICATE), "resources", 0, "tls_certificate")

    assert isinstance(pair, dict)
    assert "watched_directory" not in pair  # Envoy's default: the directory of each


def test_options_of_the_command_line_are_empty_where_they_are_not_given() -> None:
    assert tls("", "", "", "", "") is None
    assert tls("/ca", "", "", "", "") == EnvoyTls(ca=PurePosixPath("/ca"))


def test_each_part_is_printed() -> None:
    own = EnvoyTls(ca=CA, certificate=CERTIFICATE, private_key=KEY, secrets=PurePosixPath("/etc/envoy"))
    options = BootstrapOptions("a", "b", (SocketAddress("bridge", 1),), tls=own)

    printed = {part: content(options, part) for part in Part}

    assert printed == {
        Part.BOOTSTRAP: render(options),
        Part.CERTIFICATE: secret(own, Secret.CERTIFICATE),
        Part.CA: secret(own, Secret.CA),
    }


PLAIN = BootstrapOptions("a", "b", (SocketAddress("bridge", 1),))


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: EnvoyTls(ca=CA, certificate=CERTIFICATE), "belong together"),
        (lambda: EnvoyTls(ca=CA, private_key=KEY), "belong together"),
        (lambda: EnvoyTls(ca=PurePosixPath("ca.crt")), "'ca.crt' is not an absolute path"),
        (lambda: EnvoyTls(ca=CA, secrets=PurePosixPath("etc")), "'etc' is not an absolute path"),
        (lambda: EnvoyTls(ca=PurePosixPath("/a\nb")), "control character"),
        (lambda: EnvoyTls(ca=CA, server_name="a\nb"), "control character"),
        (lambda: secret(EnvoyTls(ca=CA), Secret.CERTIFICATE), "has no certificate"),
        (lambda: tls("", "/c", "/k", "", ""), "needs --tls-ca"),
        (lambda: content(PLAIN, Part.CA), "without --tls-secrets"),
    ],
)
def test_what_envoy_could_not_use_is_refused(make: Callable[[], object], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        make()
