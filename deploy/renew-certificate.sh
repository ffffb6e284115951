#!/bin/sh
# After an ACME client has renewed a certificate: gives the relay a copy that it may read, and has it
# read it anew. Nobody is disconnected. As a hook:
#   certbot renew --deploy-hook /opt/sotto/deploy/renew-certificate.sh
#   acme.sh --install-cert -d NAME --fullchain-file F --key-file K --reloadcmd "... renew-certificate.sh F K"
set -eu
fullchain=${1:-${RENEWED_LINEAGE:?name the certificate file}/fullchain.pem}
key=${2:-${RENEWED_LINEAGE:-}/privkey.pem}
to=${SOTTO_CERTIFICATES:-/etc/sotto}
owner=${SOTTO_USER:-sotto}
install -o "$owner" -g "$owner" -m 0600 "$key" "$to/privkey.pem.new"
install -o "$owner" -g "$owner" -m 0644 "$fullchain" "$to/fullchain.pem.new"
mv "$to/privkey.pem.new" "$to/privkey.pem"
mv "$to/fullchain.pem.new" "$to/fullchain.pem"
if [ -n "${SOTTO_PID:-}" ]; then kill -HUP "$SOTTO_PID"; else systemctl reload sotto; fi
