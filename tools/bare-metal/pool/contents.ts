/** The Debian release of the pool. */
export const SUITE = 'trixie'
export const INSTALLER = 'debian-installer-13-netboot-amd64'

/** What installed systems have beside the packages that every Debian has: what the templates of
 *  our tests and the last step of an installation call for. */
export const INSTALLED = [
  ...['linux-image-amd64', 'initramfs-tools', 'busybox', 'zstd', 'lvm2', 'mdadm', 'ethtool'],
  ...['openssh-server', 'sudo', 'curl', 'ca-certificates', 'dbus', 'libpam-systemd'],
  ...['console-setup', 'keyboard-configuration', 'locales', 'eject', 'tasksel', 'discover'],
  ...['laptop-detect', 'installation-report', 'dosfstools', 'xfsprogs', 'parted', 'gdisk'],
  ...['pciutils', 'isc-dhcp-client', 'grub-pc', 'efibootmgr', 'fdisk', 'e2fsprogs'],
] as const

/** Apart, because it cannot stand beside `grub-pc`. */
export const INSTALLED_UEFI = ['grub-efi-amd64'] as const

/** Components for a graphical installer, for speech, and for machines that are none of ours. */
const UNWANTED =
  /gtk|x11|xserver|font|gdk|glib2|atk|atspi|at-spi|cairo|pango|libx[a-z]*\d*-udeb|speakup|espeak|brltty|vte|debian-edu|asound|ntfs|simple-cdd|live-installer|kickseed/

/** Whether a component belongs in the pool: modules of another kernel do not. Pure. */
export function isWanted(component: string, kernelVersion: string): boolean {
  if (component.endsWith('-di') && !component.includes(kernelVersion)) return false
  return !UNWANTED.test(component)
}

/** Without these there is no installation; of what else a mirror lacks, nothing here needs it. */
const NEEDED =
  /^(apt-setup|base-installer|bootstrap-base|choose-mirror|clock-setup|debootstrap|di-utils|download-installer|e2fsprogs|finish-install|grub-installer|libparted|lvm2|lvmcfg|mdcfg|net-retriever|netcfg|parted|partman|pkgsel|preseed|tzsetup|user-setup)/

/** Whether the installer can do nothing without the component. Pure. */
export function isNeeded(component: string): boolean {
  return NEEDED.test(component) && !/-(crypto|iscsi|zfs|btrfs|jfs|nbd)$/.test(component)
}
