#!/bin/sh
set -e
if [ "$1" = configure ]; then
  getent group purlin >/dev/null || groupadd --system purlin
fi
if [ "$1" = configure ] || [ "$1" = abort-remove ]; then
  for unit in purlin-host-agent.service purlin-restore.service; do
    if deb-systemd-helper --quiet was-enabled "$unit"; then
      deb-systemd-helper enable "$unit" >/dev/null || true
    else
      deb-systemd-helper update-state "$unit" >/dev/null || true
    fi
  done
  if [ -d /run/systemd/system ]; then
    systemctl --system daemon-reload >/dev/null || true
    action=start
    if [ -n "$2" ]; then action=restart; fi
    deb-systemd-invoke "$action" purlin-host-agent.service >/dev/null || true
  fi
fi
