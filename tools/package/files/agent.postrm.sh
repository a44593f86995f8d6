#!/bin/sh
set -e
if [ "$1" = remove ] || [ "$1" = purge ]; then
  if command -v deb-systemd-helper >/dev/null; then
    # The links of enabled units go with the package, or they would point at nothing.
    deb-systemd-helper purge purlin-host-agent.service purlin-restore.service >/dev/null || true
  fi
fi
if [ "$1" = purge ]; then
  rm -rf /var/log/purlin
  # The bare metal daemon, where there is one, has its own folders beside ours, and our group.
  for folder in /var/lib/purlin /run/purlin; do
    if [ -d "$folder" ]; then
      find "$folder" -mindepth 1 -maxdepth 1 ! -name 'baremetal*' -exec rm -rf {} +
      rmdir --ignore-fail-on-non-empty "$folder"
    fi
  done
  if [ -d /etc/purlin ]; then rmdir --ignore-fail-on-non-empty /etc/purlin; fi
  if ! [ -e /etc/purlin/baremetal-pxe.toml ] && getent group purlin >/dev/null; then
    groupdel purlin
  fi
fi
if [ -d /run/systemd/system ]; then
  systemctl --system daemon-reload >/dev/null || true
fi
