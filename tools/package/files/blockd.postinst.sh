#!/bin/sh
set -e
if [ "$1" = configure ]; then
  getent group purlin-volumes >/dev/null || groupadd --system purlin-volumes
  # The user that QEMU runs as; where libvirt comes later, its administrator adds it.
  if getent passwd libvirt-qemu >/dev/null; then
    usermod --append --groups purlin-volumes libvirt-qemu
  fi
fi
if [ "$1" = configure ] || [ "$1" = abort-remove ]; then
  # Devices are mapped again at boot; the unit has nothing to do where none was.
  if deb-systemd-helper --quiet was-enabled purlin-map.service; then
    deb-systemd-helper enable purlin-map.service >/dev/null || true
  else
    deb-systemd-helper update-state purlin-map.service >/dev/null || true
  fi
  if [ -d /run/systemd/system ]; then
    systemctl --system daemon-reload >/dev/null || true
  fi
fi
