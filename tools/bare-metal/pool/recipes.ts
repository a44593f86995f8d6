/** Which files of an ordinary package make a component of the installer. */
export interface RecipePart {
  readonly package: string
  /** Paths in the package; `*` stands for anything within a name, a folder for all that is in
   *  it. */
  readonly paths: readonly string[]
}

export interface Recipe {
  readonly parts: readonly RecipePart[]
  /** Run by the installer after it has unpacked the component. */
  readonly afterwards?: string
  /** Instead of what the lists say. */
  readonly depends?: string
}

const LIBRARIES = ['usr/lib/x86_64-linux-gnu/*.so*']

/** Modules below kernel/ of each component of modules, by its name without the kernel's version. */
const MODULES: Readonly<Record<string, readonly string[]>> = {
  'ext4-modules': ['fs/ext4', 'fs/jbd2', 'fs/mbcache.ko.xz', 'lib/crc16.ko.xz'],
  'xfs-modules': ['fs/xfs'],
  'fat-modules': ['fs/fat', 'fs/nls'],
  'btrfs-modules': ['fs/btrfs', 'lib/raid6', 'crypto/xor.ko.xz', 'crypto/blake2b_generic.ko.xz'],
  'md-modules': [
    ...['drivers/md/dm-*.ko.xz', 'drivers/md/raid*.ko.xz', 'drivers/md/md-mod.ko.xz'],
    ...['drivers/md/persistent-data', 'drivers/dax', 'crypto/xor.ko.xz', 'crypto/async_tx'],
    'lib/raid6',
  ],
  'scsi-core-modules': [
    ...['drivers/scsi/scsi_mod.ko.xz', 'drivers/scsi/scsi_common.ko.xz'],
    ...['drivers/scsi/sd_mod.ko.xz', 'drivers/scsi/scsi_transport_*.ko.xz'],
    ...[
      'drivers/block/loop.ko.xz',
      'lib/crc-t10dif.ko.xz',
      'lib/crc64*.ko.xz',
      'crypto/crc*.ko.xz',
    ],
  ],
  'scsi-modules': [
    ...['drivers/block/virtio_blk.ko.xz', 'drivers/scsi/virtio_scsi.ko.xz', 'drivers/nvme'],
    ...['drivers/scsi/megaraid', 'drivers/scsi/mpt3sas', 'drivers/scsi/hpsa.ko.xz'],
    ...['drivers/scsi/raid_class.ko.xz', 'lib/crc64*.ko.xz', 'crypto/crc64*.ko.xz'],
  ],
  'ata-modules': ['drivers/ata/libata.ko.xz'],
  'pata-modules': ['drivers/ata/ata_piix.ko.xz', 'drivers/ata/ata_generic.ko.xz'],
  'sata-modules': ['drivers/ata/ahci.ko.xz', 'drivers/ata/libahci.ko.xz'],
  'cdrom-core-modules': ['drivers/cdrom', 'drivers/scsi/sr_mod.ko.xz'],
  'isofs-modules': ['fs/isofs'],
  'loop-modules': ['drivers/block/loop.ko.xz'],
  'squashfs-modules': ['fs/squashfs'],
  'multipath-modules': ['drivers/md/dm-multipath.ko.xz', 'drivers/md/dm-round-robin.ko.xz'],
  'crypto-dm-modules': ['drivers/md/dm-crypt.ko.xz', 'crypto/essiv.ko.xz', 'crypto/authenc.ko.xz'],
}

const SHARED: Readonly<Record<string, Recipe>> = {
  'e2fsprogs-udeb': {
    parts: [
      {
        package: 'e2fsprogs',
        paths: [
          ...['usr/sbin/mke2fs', 'usr/sbin/mkfs.ext*', 'usr/sbin/e2fsck', 'usr/sbin/fsck.ext*'],
          ...['usr/sbin/tune2fs', 'usr/sbin/resize2fs', 'usr/sbin/dumpe2fs', 'etc/mke2fs.conf'],
        ],
      },
      { package: 'libext2fs2t64', paths: LIBRARIES },
      { package: 'libcom-err2', paths: LIBRARIES },
      { package: 'libss2', paths: LIBRARIES },
    ],
  },
  'xfsprogs-udeb': {
    parts: [
      { package: 'xfsprogs', paths: ['usr/sbin/mkfs.xfs', 'usr/sbin/xfs_repair'] },
      { package: 'libinih1', paths: LIBRARIES },
      { package: 'liburcu8t64', paths: LIBRARIES },
    ],
  },
  'fdisk-udeb': {
    parts: [
      { package: 'fdisk', paths: ['usr/sbin/*fdisk'] },
      { package: 'libfdisk1', paths: LIBRARIES },
      { package: 'libsmartcols1', paths: LIBRARIES },
    ],
    depends: 'libc6-udeb',
  },
  'libmount1-udeb': { parts: [{ package: 'libmount1', paths: LIBRARIES }] },
  'libfdisk1-udeb': { parts: [{ package: 'libfdisk1', paths: LIBRARIES }] },
  'libsmartcols1-udeb': { parts: [{ package: 'libsmartcols1', paths: LIBRARIES }] },
  'eject-udeb': { parts: [{ package: 'eject', paths: ['usr/bin/eject'] }] },
}

/** How a component that the mirror does not hold is made of ordinary packages of the same release;
 *  undefined where we know no way. A mirror may lack the components of the last point release
 *  while it holds its packages. Pure. */
export function recipeOf(component: string, kernelVersion: string): Recipe | undefined {
  const kind = component.replace(`-${kernelVersion}-di`, '')
  const modules = kind === component ? undefined : MODULES[kind]
  if (modules === undefined) return SHARED[component]
  const root = `usr/lib/modules/${kernelVersion}/kernel`
  const paths = modules.map((path) => `${root}/${path}`)
  return {
    parts: [{ package: `linux-image-${kernelVersion}`, paths }],
    afterwards: `#!/bin/sh\ndepmod -a ${kernelVersion} 2>/dev/null || true\n`,
  }
}
