#!/usr/bin/env bash
#? Install xds-bridge on this machine as a service of systemd, or bring it up to this version.
#?
#? Usage: systemd/install.sh [--wheel FILE]
#?        systemd/install.sh --uninstall [--purge]
#?
#?   --wheel FILE  install this wheel (of `make build`), in place of building one from this folder
#?   --uninstall   take away the service and its program; configuration, credentials and state stay
#?   --purge       with --uninstall: take these away too
#?
#? What it needs is checked first. It can be run again and again: what is as it should be stays as it is, a configuration that
#? is there is never written to, and a version that does not accept it, or does not come up, is not kept.
#? PYTHON names another interpreter than /usr/bin/python3; pip's own variables, such as PIP_INDEX_URL, work.
set -euo pipefail
umask 022

HERE=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
ROOT=$(dirname "$HERE")
PYTHON=${PYTHON:-/usr/bin/python3}

PREFIX=/opt/xds-bridge
CONFIG=/etc/xds-bridge
UNIT=/usr/local/lib/systemd/system/xds-bridge.service
EDITED=/etc/systemd/system/xds-bridge.service
STATE=/var/lib/private/xds-bridge
CREDENTIALS_GROUP=xds-bridge-credentials

say() { echo "xds-bridge: $*"; }

refuse() {
    echo "xds-bridge: $*" >&2
    exit 1
}

main() {
    local wheel="" action=install purge=""
    while [ $# -gt 0 ]; do
        case $1 in
            --wheel) [ $# -gt 1 ] || usage "--wheel needs a file"; wheel=$2; shift ;;
            --uninstall) action=uninstall ;;
            --purge) purge=yes ;;
            -h | --help) sed -n 's/^#? \{0,1\}//p' "${BASH_SOURCE[0]}"; exit ;;
            *) usage "what is $1?" ;;
        esac
        shift
    done
    [ -z "$purge" ] || [ "$action" = uninstall ] || usage "--purge goes with --uninstall"
    require_system
    if [ "$action" = uninstall ]; then
        uninstall "$purge"
    else
        require_python
        require_unit_as_installed
        install_bridge "$wheel"
    fi
}

usage() {
    echo "xds-bridge: $1; see $0 --help" >&2
    exit 2
}

require_system() {
    [ "$(uname -s)" = Linux ] || refuse "this is $(uname -s), and the service is for Linux with systemd"
    [ "$(id -u)" = 0 ] || refuse "run it as root; it writes to $PREFIX, $CONFIG and $(dirname "$UNIT")"
    [ -d /run/systemd/system ] || refuse "systemd does not run this machine; see docs/container.md for containers"
    local version
    version=$(systemctl --version | sed -n '1s/^systemd \([0-9]*\).*/\1/p')
    [ "${version:-0}" -ge 247 ] || refuse "systemd ${version:-of an unknown version} is too old; 247 or newer is needed"
}

require_python() {
    [ -x "$(command -v "$PYTHON")" ] || refuse "there is no $PYTHON; install Python 3.11 or newer, or set PYTHON"
    local real
    real=$(readlink -f "$(command -v "$PYTHON")")
    case $real in
        /home/* | /root/* | /run/user/*) refuse "$real lies in a home, which the service does not see; set PYTHON=/usr/bin/python3" ;;
    esac
    "$PYTHON" -c 'import sys; sys.exit(sys.version_info < (3, 11))' ||
        refuse "$("$PYTHON" -V) is too old; Python 3.11 or newer is needed; set PYTHON, such as PYTHON=/usr/bin/python3.11 after dnf install python3.11"
    "$PYTHON" -c 'import ensurepip, venv' 2>/dev/null ||
        refuse "$PYTHON cannot make virtual environments; on Debian: apt-get install python3-venv"
}

# The unit is replaced by each version, so a change in it would be lost.
require_unit_as_installed() {
    [ ! -e "$EDITED" ] ||
        refuse "$EDITED hides the unit of this version; move what you changed into a drop-in (systemctl edit xds-bridge) and remove it"
    [ ! -e "$UNIT" ] || [ ! -e "$PREFIX/unit.sha256" ] || sha256sum --check --status "$PREFIX/unit.sha256" ||
        refuse "$UNIT was changed here; move that into a drop-in (systemctl edit xds-bridge) and remove it"
}

install_bridge() {
    WORK=$(mktemp -d)
    trap 'rm -rf "$WORK"' EXIT
    local wheel=$1 version
    [ -n "$wheel" ] || build_wheel
    wheel=${wheel:-$(echo "$WORK"/xds_bridge-*.whl)}
    case $(basename "$wheel") in
        xds_bridge-*.whl) [ -r "$wheel" ] || refuse "there is no $wheel" ;;
        *) refuse "$wheel is no wheel of xds-bridge" ;;
    esac
    version=$(name_version "$wheel")
    make_version "$version" "$wheel"
    accept_configuration "$version"
    make_groups
    write_configuration
    use_version "$version"
}

# Made of what it holds, so that the same version twice is the same folder.
name_version() {
    local number
    number=$(basename "$1" | cut -d- -f2)
    # Without the times in an archive, the same source gives the same name.
    echo "$number-$({ unpacked_sum "$1"; sha256sum <"$ROOT/requirements/install.lock"; "$PYTHON" -VV; } | sha256sum | cut -c1-12)"
}

unpacked_sum() {
    "$PYTHON" - "$1" <<'PYTHON'
import hashlib, sys, zipfile
with zipfile.ZipFile(sys.argv[1]) as wheel:
    for name in sorted(wheel.namelist()):
        print(name, hashlib.sha256(wheel.read(name)).hexdigest())
PYTHON
}

build_wheel() {
    say "building a wheel from $ROOT"
    "$PYTHON" -m venv "$WORK/builder"
    quietly "$WORK/builder/bin/pip" install --require-hashes --requirement "$ROOT/requirements/build.lock"
    # In a copy: building leaves files behind.
    mkdir "$WORK/source"
    (cd "$ROOT" && cp -R pyproject.toml README.md LICENSE bridge adapters xds "$WORK/source")
    quietly "$WORK/builder/bin/pip" wheel --no-deps --no-build-isolation --wheel-dir "$WORK" "$WORK/source"
}

make_version() {
    local folder=$PREFIX/versions/$1
    [ ! -e "$folder/complete" ] || return 0
    say "making $folder (about a minute)"
    rm -rf "$folder"
    mkdir -p "$PREFIX/versions"
    trap 'rm -rf "$WORK" "'"$folder"'"' EXIT
    "$PYTHON" -m venv "$folder"
    quietly "$folder/bin/pip" install --require-hashes --requirement "$ROOT/requirements/install.lock"
    quietly "$folder/bin/pip" install --no-deps "$2"
    [ ! -d "$ROOT/docs" ] || cp -R "$ROOT/docs" "$folder/docs"
    touch "$folder/complete"
    trap 'rm -rf "$WORK"' EXIT
}

quietly() {
    "$@" --disable-pip-version-check --no-input --progress-bar off >"$WORK/log" 2>&1 || {
        cat "$WORK/log" >&2
        refuse "that failed: $(basename "$1") $2; nothing was changed"
    }
}

accept_configuration() {
    [ -e "$CONFIG/bridge.yaml" ] || return 0
    # With what the unit gives it, since the file may refer to that.
    systemctl show --property Environment --value xds-bridge 2>/dev/null |
        CREDENTIALS_DIRECTORY=/run/credentials/xds-bridge.service xargs sh -c \
            'program=$1 file=$2; shift 2; exec env "$@" "$program" check --config "$file"' \
            check "$PREFIX/versions/$1/bin/xds-bridge" "$CONFIG/bridge.yaml" >"$WORK/log" 2>&1 && return
    cat "$WORK/log" >&2
    [ "$(current_version)" = "$1" ] || rm -rf "${PREFIX:?}/versions/$1"
    refuse "this version does not accept $CONFIG/bridge.yaml; nothing was changed"
}

make_groups() { systemd-sysusers "$HERE/xds-bridge.sysusers"; }

write_configuration() {
    mkdir -p "$CONFIG"
    install -d -m 0750 -g "$CREDENTIALS_GROUP" "$CONFIG/credentials"
    local file
    for file in bridge.yaml endpoints.yaml; do
        if [ ! -e "$CONFIG/$file" ]; then
            install -m 0644 "$HERE/$file" "$CONFIG/$file"
        elif ! cmp -s "$HERE/$file" "$CONFIG/$file"; then
            say "keeping your $CONFIG/$file"
        fi
    done
}

current_version() { basename "$(dirname "$(readlink -f "$PREFIX/bin" || true)")"; }

use_version() {
    local before
    before=$(current_version)
    [ ! -e "$UNIT" ] || cp "$UNIT" "$WORK/unit"
    put_in_place "$1" "$HERE/xds-bridge.service"
    if ! systemctl --quiet is-active xds-bridge; then
        say "version $1 is installed; the next two steps are yours:"
        say "  edit $CONFIG/bridge.yaml; xds-bridge check tells whether it is right"
        say "  systemctl enable --now xds-bridge"
    elif [ "$before" = "$1" ]; then
        say "version $1 is installed, and runs already"
    elif systemctl restart xds-bridge; then
        say "version $1 runs; before it, $before did, which is kept"
    else
        put_in_place "$before" "$WORK/unit"
        systemctl restart xds-bridge || true
        refuse "version $1 did not come up (journalctl -u xds-bridge), so $before runs again"
    fi
    remove_versions_but "$1" "$before"
}

# Have a version be the one that the unit, its own, starts.
put_in_place() {
    point_to "$1"
    install -D -m 0644 "$2" "$UNIT"
    sha256sum "$UNIT" >"$PREFIX/unit.sha256"
    systemctl daemon-reload
}

# Links are put in place by renaming, so that there is a program at each moment.
point_to() {
    local name
    for name in bin docs; do
        ln -s -T "versions/$1/$name" "$PREFIX/$name.new.$$"
        mv -T "$PREFIX/$name.new.$$" "$PREFIX/$name"
    done
    mkdir -p /usr/local/bin
    ln -sf -T "$PREFIX/bin/xds-bridge" /usr/local/bin/xds-bridge
    ln -sf -T "$PREFIX/bin/xds-bridge-health" /usr/local/bin/xds-bridge-health
}

remove_versions_but() {
    local folder
    for folder in "$PREFIX"/versions/*; do
        case $(basename "$folder") in
            "$1" | "$2") ;;
            *) rm -rf "$folder" ;;
        esac
    done
}

uninstall() {
    if [ -e "$UNIT" ]; then
        systemctl --quiet disable --now xds-bridge
        rm -f "$UNIT"
        systemctl daemon-reload
    fi
    rm -f /usr/local/bin/xds-bridge /usr/local/bin/xds-bridge-health
    rm -rf "$PREFIX"
    if [ -n "$1" ]; then
        rm -rf "$CONFIG" "$STATE" /var/lib/xds-bridge "$EDITED.d"
        say "gone, with its configuration and state"
    else
        say "gone; $CONFIG and /var/lib/xds-bridge stay (--purge takes them away too)"
    fi
}

main "$@"
