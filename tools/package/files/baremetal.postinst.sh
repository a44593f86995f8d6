#!/bin/sh
set -e
if [ "$1" = configure ]; then
  getent group purlin >/dev/null || groupadd --system purlin
fi
if [ "$1" = configure ] || [ "$1" = abort-remove ]; then
  if deb-systemd-helper --quiet was-enabled purlin-baremetal-pxe.service; then
    deb-systemd-helper enable purlin-baremetal-pxe.service >/dev/null || true
  else
    deb-systemd-helper update-state purlin-baremetal-pxe.service >/dev/null || true
  fi
  if [ -d /run/systemd/system ]; then
    systemctl --system daemon-reload >/dev/null || true
    action=start
    if [ -n "$2" ]; then action=restart; fi
    deb-systemd-invoke "$action" purlin-baremetal-pxe.service >/dev/null || true
  fi
fi
