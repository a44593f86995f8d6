#!/bin/sh
set -e
if [ "$1" = remove ] || [ "$1" = purge ]; then
  if command -v deb-systemd-helper >/dev/null; then
    deb-systemd-helper purge purlin-baremetal-pxe.service >/dev/null || true
  fi
fi
if [ "$1" = purge ]; then
  rm -rf /var/lib/purlin/baremetal /run/purlin/baremetal /run/purlin/baremetal-pxe.sock
  # The discovery system was made here by "purlin bm discovery build".
  rm -rf /var/lib/purlin/discovery
  for folder in /var/lib/purlin /run/purlin /usr/lib/purlin /etc/purlin; do
    if [ -d "$folder" ]; then rmdir --ignore-fail-on-non-empty "$folder"; fi
  done
  # The group is the host agent's too, where there is one.
  if ! [ -e /etc/purlin/host-agent.toml ] && getent group purlin >/dev/null; then
    groupdel purlin
  fi
fi
if [ -d /run/systemd/system ]; then
  systemctl --system daemon-reload >/dev/null || true
fi
