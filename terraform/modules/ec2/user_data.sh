#!/bin/bash
# What an instance does at its first start: Python, this release of xds-bridge, its configuration and secrets, the service.
set -euo pipefail
exec > >(tee /var/log/xds-bridge-setup.log) 2>&1

again() {
    local attempt
    for attempt in 1 2 3 4 5; do
        "$@" && return
        echo "attempt $attempt failed: $1"
        sleep 5
    done
    return 1
}

PYTHON=/usr/bin/python3
if ! "$PYTHON" -c 'import sys, ensurepip, venv; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then
    if command -v apt-get >/dev/null; then
        again apt-get -o DPkg::Lock::Timeout=300 update
        again apt-get -o DPkg::Lock::Timeout=300 install --yes python3-venv
    else
        again dnf install --assumeyes python3.11
        PYTHON=/usr/bin/python3.11
    fi
fi
export PYTHON ${pip_index_url == null ? "" : "PIP_INDEX_URL='${pip_index_url}'"}

work=$(mktemp -d)
again "$PYTHON" -c 'import sys, urllib.request; urllib.request.urlretrieve(*sys.argv[1:])' '${release_url}' "$work/release.tar.gz"
echo '${release_sha256}' "$work/release.tar.gz" | sha256sum --check
tar --extract --gzip --strip-components 1 --no-same-owner --directory "$work" --file "$work/release.tar.gz"
"$work/systemd/install.sh"
rm -rf "$work"

"$PYTHON" - <<'FILES'
import json, pathlib
for name, text in json.loads(r'''${files}''').items():
    file = pathlib.Path(name)
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text)
FILES
systemctl daemon-reload
%{ if secrets ~}
systemctl start xds-bridge-secrets.service
systemctl enable --now xds-bridge-secrets.timer
%{ endif ~}
systemctl enable --now xds-bridge
