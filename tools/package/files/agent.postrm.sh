#!/bin/sh
set -e
if [ "$1" = remove ] || [ "$1" = purge ]; then
  if command -v deb-systemd-helper >/dev/null; then
    # The links of enabled units go with the package, or they would point at nothing.
    deb-systemd-helper purge purlin-host-agent.service purlin-restore.service >/dev/null || true
  fi
fi
if [ "$1" = purge ]; then
  rm -rf /var/lib/purlin /var/log/purlin /run/purlin
  if [ -d /etc/purlin ]; then rmdir --ignore-fail-on-non-empty /etc/purlin; fi
  if getent group purlin >/dev/null; then groupdel purlin; fi
fi
if [ -d /run/systemd/system ]; then
  systemctl --system daemon-reload >/dev/null || true
fi
