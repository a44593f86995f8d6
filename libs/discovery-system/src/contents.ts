/** What the discovery system takes out of Debian's packages. */

/** Packages asked for by name; apt adds what they need. */
export const PACKAGES = [
  'busybox',
  'dosfstools',
  'dropbear-bin',
  'e2fsprogs',
  'fdisk',
  'hdparm',
  'ipmitool',
  'kmod',
  'linux-image-amd64',
  'lvm2',
  'mdadm',
  'nvme-cli',
  'pci.ids',
  'tar',
  'udev',
  'util-linux',
  'xfsprogs',
  'zstd',
] as const

/** Firmware that common server NICs and adapters do not start without; these packages are in the
 *  part `non-free-firmware`, which not every machine has among its package sources. */
export const FIRMWARE_PACKAGES = [
  'firmware-bnx2',
  'firmware-bnx2x',
  'firmware-cavium',
  'firmware-misc-nonfree',
  'firmware-netronome',
  'firmware-netxen',
  'firmware-qlogic',
] as const

/** Of the firmware above, what belongs to network and storage; the rest is graphics and sound. */
export const FIRMWARE_PATHS =
  /^(bnx2|bnx2x|cbfw|ct2fw|ctfw|cxgb3|cxgb4|intel\/ice|liquidio|mellanox|netronome|phanfw|ql|qed|qlogic|tigon)/

/** Programs by name, each found in one of the `bin` folders of the packages. */
export const PROGRAMS = [
  'blkdiscard',
  'blkid',
  'blockdev',
  'busybox',
  'dmsetup',
  'dropbear',
  'dropbearkey',
  'hdparm',
  'ipmitool',
  'kmod',
  'lvm',
  'mdadm',
  'mke2fs',
  'mkfs.fat',
  'mkfs.xfs',
  'mkswap',
  'nvme',
  'sfdisk',
  'tar',
  'udevadm',
  'wipefs',
  'zstd',
] as const

/** Helpers of udev's rules: they ask a disk for its serial number and its name. */
export const UDEV_HELPERS = ['ata_id', 'scsi_id'] as const

/** Rules of udev: names of disks, modules by alias. Those that start arrays and groups found on
 *  disks (64-md-raid-assembly, 69-lvm) are left out: whoever wipes a disk must find it at rest. */
export const UDEV_RULES = [
  '01-md-raid-creating.rules',
  '50-firmware.rules',
  '50-udev-default.rules',
  '55-dm.rules',
  '56-lvm.rules',
  '60-block.rules',
  '60-persistent-storage-dm.rules',
  '60-persistent-storage.rules',
  '63-md-raid-arrays.rules',
  '75-net-description.rules',
  '80-drivers.rules',
  '80-net-setup-link.rules',
  '95-dm-notify.rules',
] as const

/** Names that lead to another program. */
export const LINKS: readonly (readonly [path: string, target: string])[] = [
  ['bin', 'usr/bin'],
  ['lib', 'usr/lib'],
  ['lib64', 'usr/lib64'],
  ['sbin', 'usr/sbin'],
  ['usr/sbin', 'bin'],
  ['usr/bin/mount', 'busybox'],
  ['usr/bin/sh', 'busybox'],
  ['usr/bin/umount', 'busybox'],
  ['usr/bin/depmod', 'kmod'],
  ['usr/bin/insmod', 'kmod'],
  ['usr/bin/lsmod', 'kmod'],
  ['usr/bin/modprobe', 'kmod'],
  ['usr/bin/rmmod', 'kmod'],
  ['usr/bin/mkfs.ext4', 'mke2fs'],
  ['usr/bin/mkfs.vfat', 'mkfs.fat'],
  ['usr/lib/systemd/systemd-udevd', '../../bin/udevadm'],
]

export const FOLDERS = [
  'dev',
  'etc/lvm',
  'mnt',
  'proc',
  'root',
  'run',
  'sys',
  'tmp',
  'var',
] as const

/** Gives the address that a DHCP server told to the NIC, and keeps what the new system's programs
 *  need later. Called by busybox' udhcpc. */
const DHCP_SCRIPT = `#!/bin/sh
case $1 in
  deconfig)
    busybox ip link set dev "$interface" up
    ;;
  bound | renew)
    busybox ip addr flush dev "$interface"
    busybox ip addr add "$ip/\${mask:-24}" dev "$interface"
    for address in $router; do
      busybox ip route replace default via "$address" dev "$interface"
      break
    done
    : >/run/purlin/resolv.conf
    for address in $dns; do echo "nameserver $address" >>/run/purlin/resolv.conf; done
    ;;
esac
`

/** Groups that udev's rules give devices to; without them each rule is a line of complaint. */
const GROUPS = [
  ['root', 0],
  ['tty', 5],
  ['disk', 6],
  ['lp', 7],
  ['kmem', 15],
  ['dialout', 20],
  ['cdrom', 24],
  ['tape', 26],
  ['audio', 29],
  ['video', 44],
  ['input', 101],
  ['sgx', 102],
  ['kvm', 103],
  ['render', 104],
] as const

/** Files of our own, beside the program. */
export const OWN_FILES: readonly (readonly [path: string, mode: number, text: string])[] = [
  ['etc/passwd', 0o644, 'root:x:0:0:root:/root:/bin/sh\n'],
  ['etc/shadow', 0o600, 'root:*:19000:0:99999:7:::\n'],
  ['etc/group', 0o644, GROUPS.map(([name, number]) => `${name}:x:${number}:\n`).join('')],
  ['etc/shells', 0o644, '/bin/sh\n'],
  ['etc/nsswitch.conf', 0o644, 'passwd: files\ngroup: files\nhosts: files dns\n'],
  ['etc/mke2fs.conf', 0o644, mke2fsSettings()],
  // Group names of disks come from templates; nothing may start one by itself.
  [
    'etc/lvm/lvm.conf',
    0o644,
    'global { event_activation = 0 }\nbackup { backup = 0 archive = 0 }\n',
  ],
  ['usr/lib/purlin/dhcp-script', 0o755, DHCP_SCRIPT],
]

/** Features that GRUB of every supported family reads, whatever e2fsprogs was built with. */
function mke2fsSettings(): string {
  return `[defaults]
	base_features = sparse_super,large_file,filetype,resize_inode,dir_index,ext_attr
	default_mntopts = acl,user_xattr
	enable_periodic_fsck = 0
	blocksize = 4096
	inode_size = 256
	inode_ratio = 16384
[fs_types]
	ext4 = {
		features = has_journal,extent,huge_file,flex_bg,metadata_csum,64bit,dir_nlink,extra_isize
	}
`
}
