#!/bin/bash
# What an instance does at its first start: Python, this release of xds-bridge, its configuration and secrets, the service.
set -euo pipefail
exec > >(tee /var/log/xds-bridge-setup.log) 2>&1

PYTHON=/usr/bin/python3
if ! "$PYTHON" -c 'import sys, ensurepip, venv; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then
    if command -v apt-get >/dev/null; then
        apt-get update
        apt-get install --yes python3-venv
    else
        dnf install --assumeyes python3.11
        PYTHON=/usr/bin/python3.11
    fi
fi
export PYTHON ${pip_index_url == null ? "" : "PIP_INDEX_URL='${pip_index_url}'"}

work=$(mktemp -d)
for attempt in 1 2 3 4 5; do
    "$PYTHON" -c 'import sys, urllib.request; urllib.request.urlretrieve(*sys.argv[1:])' '${release_url}' "$work/release.tar.gz" && break
    echo "attempt $attempt failed"
    sleep 5
done
echo '${release_sha256}' "$work/release.tar.gz" | sha256sum --check
tar --extract --gzip --strip-components 1 --no-same-owner --directory "$work" --file "$work/release.tar.gz"
"$work/systemd/install.sh"
rm -rf "$work"

%{ for path, text in files ~}
install -D -m 0644 <(base64 --decode <<<'${base64encode(text)}') '/etc/xds-bridge/${path}'
%{ endfor ~}
install -D -m 0644 <(base64 --decode <<<'${base64encode(drop_in)}') /etc/systemd/system/xds-bridge.service.d/replica.conf
%{ if length(secrets) > 0 ~}
install -D -m 0644 <(base64 --decode <<<'${base64encode(secrets_script)}') /usr/local/lib/xds-bridge/fetch_secrets.py
install -D -m 0644 <(base64 --decode <<<'${base64encode(jsonencode(secrets))}') /usr/local/lib/xds-bridge/secrets.json
install -D -m 0644 <(base64 --decode <<<'${base64encode(secrets_service)}') /etc/systemd/system/xds-bridge-secrets.service
install -D -m 0644 <(base64 --decode <<<'${base64encode(secrets_timer)}') /etc/systemd/system/xds-bridge-secrets.timer
%{ endif ~}
systemctl daemon-reload
%{ if length(secrets) > 0 ~}
systemctl start xds-bridge-secrets.service
systemctl enable --now xds-bridge-secrets.timer
%{ endif ~}
systemctl enable --now xds-bridge
