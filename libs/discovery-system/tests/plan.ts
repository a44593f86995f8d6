import { FIRST_MAC, WWN } from './guest.ts'
import type { DeploymentServer } from './server.ts'

const MIB = 1_048_576
export const ONE_BYTES = 1_536 * MIB
export const TWO_BYTES = 128 * MIB

export const one = { link: 'virtio-DISK-ONE', serial: 'DISK-ONE', sizeBytes: ONE_BYTES }
export const two = {
  link: 'ata-QEMU_HARDDISK_DISK-TWO',
  serial: 'DISK-TWO',
  wwn: WWN,
  sizeBytes: TWO_BYTES,
}
export const bootMac = FIRST_MAC

const partition = (disk: typeof one, number: number) => ({ kind: 'partition', disk, number })
const volume = (name: string) => ({ kind: 'volume', group: 'sys', name })
const array = { kind: 'array', name: 'mirror' }
const LINUX = '0FC63DAF-8483-4772-8E79-3D69D8477DE4'

/** A plan with one of everything: a mirror over both disks, a group of volumes, every file system.
 *  `first` is the first disk's identity, so that a test can make it wrong. */
export function planOf(
  server: DeploymentServer,
  sha256: string,
  first: typeof one = one,
): readonly object[] {
  const tell = (step: string) => ({ do: 'tell', step, url: `${server.nodeUrl}/event/${step}` })
  const table = (number: number, startMiB: number, sizeMiB: number) => ({
    ...{ number, startMiB, sizeMiB, type: LINUX, bootable: false },
  })
  const made = [
    { device: partition(first, 2), filesystem: 'vfat', mount: '/boot/efi' },
    { device: array, filesystem: 'ext4', mount: '/data' },
    { device: volume('root'), filesystem: 'ext4', mount: '/' },
    { device: volume('var'), filesystem: 'xfs', mount: '/var' },
    { device: volume('swap'), filesystem: 'swap', mount: 'none' },
  ]
  const mounted = ['/', '/data', '/var', '/boot/efi']
  return [
    tell('installing'),
    { do: 'check-disk', disk: first },
    { do: 'check-disk', disk: two },
    tell('partitioning'),
    { do: 'wipe-disk', disk: first },
    { do: 'wipe-disk', disk: two },
    {
      ...{ do: 'write-table', disk: first, table: 'gpt' },
      partitions: [table(1, 1, 1), table(2, 2, 64), table(3, 66, 64), table(4, 130, 1_400)],
    },
    {
      do: 'write-table',
      disk: two,
      table: 'mbr',
      partitions: [{ ...table(1, 1, 64), type: 'fd' }],
    },
    {
      do: 'make-array',
      name: 'mirror',
      level: 1,
      members: [partition(first, 3), partition(two, 1)],
    },
    { do: 'make-group', group: 'sys', physicalVolumes: [partition(first, 4)] },
    { do: 'make-volume', group: 'sys', name: 'root', sizeMiB: 400 },
    { do: 'make-volume', group: 'sys', name: 'swap', sizeMiB: 64 },
    { do: 'make-volume', group: 'sys', name: 'var' },
    ...made.map(({ device, filesystem }) => ({ do: 'make-filesystem', device, filesystem })),
    ...mounted.map((path) => ({
      ...{ do: 'mount', device: made.find(({ mount }) => mount === path)?.device, mount: path },
    })),
    tell('writing'),
    { do: 'unpack', url: server.fileUrl('root.tar.zst'), sha256 },
    {
      do: 'write-fstab',
      entries: made.map((entry) => ({ ...entry, options: 'defaults', pass: 0 })),
    },
    { do: 'reset-identity', hostname: 'node-1.example.org' },
    {
      do: 'run-in-system',
      program: 'sh',
      args: ['-c', 'echo "$1" >/boot/argument', 'sh', 'a b;c'],
    },
    tell('bootloader'),
    { do: 'install-boot-loader', firmware: 'bios', disks: [first] },
    { do: 'run-script-in-system', url: server.fileUrl('post.sh') },
    { do: 'unmount' },
    tell('rebooting'),
    { do: 'restart-from-disk' },
  ]
}

/** Shows on the console what a plan left, in the live system of the next start. */
export const INSPECTION = `set -eu
exec >/dev/console 2>&1
lvm vgchange -q -ay sys
mdadm --assemble --scan --quiet || true
mkdir -p /mnt/seen
mount -t ext4 /dev/sys/root /mnt/seen
mount -t xfs /dev/sys/var /mnt/seen/var
mount -t ext4 /dev/md/mirror /mnt/seen/data
busybox sed 's/^/FSTAB /' /mnt/seen/etc/fstab
blkid -p -o value -s UUID /dev/sys/root | busybox sed 's/^/ROOT-UUID /'
echo "MACHINE-ID <$(busybox cat /mnt/seen/etc/machine-id)>"
echo "HOSTNAME <$(busybox cat /mnt/seen/etc/hostname)>"
echo "HOST-KEY <$(busybox cat /mnt/seen/etc/ssh/ssh_host_rsa_key)>"
echo "ARGUMENT <$(busybox cat /mnt/seen/boot/argument)>"
echo "POST <$(busybox cat /mnt/seen/data/post)>"
busybox sed 's/^/CALL /' /mnt/seen/boot/calls
busybox umount /mnt/seen/data /mnt/seen/var /mnt/seen
echo SEEN-ALL
`
