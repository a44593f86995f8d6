#!/bin/sh
set -e
if [ "$1" = remove ]; then
  if [ -d /run/systemd/system ]; then
    deb-systemd-invoke stop purlin-host-agent.service >/dev/null || true
  fi
@WHAT_STAYS@
fi
