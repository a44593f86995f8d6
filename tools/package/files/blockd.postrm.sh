#!/bin/sh
set -e
if [ "$1" = remove ] || [ "$1" = purge ]; then
  if command -v deb-systemd-helper >/dev/null; then
    deb-systemd-helper purge purlin-map.service >/dev/null || true
  fi
fi
if [ "$1" = purge ]; then
  rm -f /var/lib/purlin/mapped-volumes.json
  if getent group purlin-volumes >/dev/null; then groupdel purlin-volumes; fi
fi
if [ -d /run/systemd/system ]; then
  systemctl --system daemon-reload >/dev/null || true
fi
