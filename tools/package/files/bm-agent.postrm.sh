#!/bin/sh
set -e
if [ "$1" = remove ] || [ "$1" = purge ]; then
  if command -v deb-systemd-helper >/dev/null; then
    deb-systemd-helper purge purlin-bm-agent.service >/dev/null || true
  fi
fi
if [ "$1" = purge ]; then
  rm -f /etc/purlin/bm-agent.toml /etc/purlin/bm-agent.token /etc/purlin/bm-agent-ca.pem
  if [ -d /etc/purlin ]; then rmdir --ignore-fail-on-non-empty /etc/purlin; fi
  # Nothing on disk is its.
  if getent passwd purlin-bm-agent >/dev/null; then userdel purlin-bm-agent || true; fi
fi
if [ -d /run/systemd/system ]; then
  systemctl --system daemon-reload >/dev/null || true
fi
