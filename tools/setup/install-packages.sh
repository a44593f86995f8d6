#!/usr/bin/env bash
# Installs Debian packages without starting their services now or at the next boot. Arguments: the
# packages. Run in a mount namespace of its own (`unshare --mount --propagation private`): what
# packages call to start a service is covered by /bin/true there, so the host's files stay as they
# are.
set -euo pipefail

for starter in /usr/sbin/invoke-rc.d /usr/bin/deb-systemd-invoke; do
  [ -e "$starter" ] && mount -n --bind /bin/true "$starter"
done

# Installing a package enables its units for the next boot: those links that are new afterwards are
# taken away. deb-systemd-helper remembers that it made them, so an upgrade of the package sees them
# as disabled and leaves them so.
enabled_units() { find /etc/systemd/system -type l 2>/dev/null | sort; }
enabled_scripts() { find /etc/rc?.d -name 'S*' 2>/dev/null | sed 's|.*/S[0-9]*||' | sort -u; }
units_before=$(enabled_units)
scripts_before=$(enabled_scripts)

DEBIAN_FRONTEND=noninteractive NEEDRESTART_SUSPEND=1 \
  apt-get install --yes --quiet=2 --no-install-recommends -o Dpkg::Use-Pty=0 "$@"

comm -13 <(printf '%s\n' "$units_before") <(enabled_units) |
  while read -r link; do rm -f "$link"; done
comm -13 <(printf '%s\n' "$scripts_before") <(enabled_scripts) |
  while read -r script; do update-rc.d "$script" disable >/dev/null; done
