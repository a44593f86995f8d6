#!/bin/sh
set -e
if [ "$1" = configure ]; then
  getent passwd purlin-bm-agent >/dev/null ||
    useradd --system --user-group --no-create-home --home-dir /nonexistent \
      --shell /usr/sbin/nologin purlin-bm-agent
fi
if [ "$1" = configure ] || [ "$1" = abort-remove ]; then
  # Who installs it for a watched instance enables it; enabled it stays through upgrades.
  if deb-systemd-helper --quiet was-enabled purlin-bm-agent.service; then
    deb-systemd-helper enable purlin-bm-agent.service >/dev/null || true
  else
    deb-systemd-helper update-state purlin-bm-agent.service >/dev/null || true
  fi
  if [ -d /run/systemd/system ]; then
    systemctl --system daemon-reload >/dev/null || true
    if [ -n "$2" ]; then systemctl try-restart purlin-bm-agent.service >/dev/null || true; fi
  fi
fi
