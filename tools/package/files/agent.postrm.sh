#!/bin/sh
set -e
units="purlin-host-agent.service purlin-restore.service"
if [ "$1" = remove ] && command -v deb-systemd-helper >/dev/null; then
  deb-systemd-helper mask $units >/dev/null || true
fi
if [ "$1" = purge ]; then
  if command -v deb-systemd-helper >/dev/null; then
    deb-systemd-helper purge $units >/dev/null || true
    deb-systemd-helper unmask $units >/dev/null || true
  fi
  rm -rf /var/lib/purlin /var/log/purlin /run/purlin
  if [ -d /etc/purlin ]; then rmdir --ignore-fail-on-non-empty /etc/purlin; fi
  if getent group purlin >/dev/null; then groupdel purlin; fi
fi
if [ -d /run/systemd/system ]; then
  systemctl --system daemon-reload >/dev/null || true
fi
