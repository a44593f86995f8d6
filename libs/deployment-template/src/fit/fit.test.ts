import test from 'ava'
import fc from 'fast-check'
import { mirroredSpec, plainSpec, reportOf, serverSpec, templateOf } from '../../tests/samples.ts'
import { fit } from './fit.ts'

function reasons(sample: unknown, report = reportOf('bios')): readonly string[] {
  const laid = fit(templateOf(sample), report)
  return laid.ok ? [] : laid.error.map(({ path, message }) => `${path}: ${message}`)
}

function withMatch(match: unknown): unknown {
  return { ...plainSpec, disks: [{ ...plainSpec.disks[0], match }] }
}

test('disks are chosen by serial number, WWN and size, never by the kernel’s name', (t) => {
  const link = (match: unknown): string | undefined => {
    const laid = fit(templateOf(withMatch(match)), reportOf('bios'))
    return laid.ok ? laid.value.disks[0]?.link : undefined
  }
  t.is(link({ serial: 'NVME-A' }), 'nvme-eui.0025388b71b0a1b2')
  t.is(link({ wwn: 'naa.5000C500A1B2C3D4' }), 'wwn-0x5000c500a1b2c3d4')
  t.is(link({ largest: true }), 'virtio-big-1')
  t.is(link({ media: 'hdd' }), 'virtio-big-1')
  t.is(link({ smallest: true, maxSizeGiB: 100 }), 'nvme-eui.0025388b71b0a1b2')
})

test('the choice does not change with the order and the names of the kernel', (t) => {
  const report = reportOf('bios')
  const chosen = (disks: typeof report.disks): string => {
    const laid = fit(templateOf(mirroredSpec), { ...report, disks })
    return laid.ok ? laid.value.disks.map((disk) => disk.link).join(' ') : 'no fit'
  }
  const expected = chosen(report.disks)
  t.not(expected, 'no fit')
  fc.assert(
    fc.property(
      fc.shuffledSubarray(report.disks, { minLength: report.disks.length }),
      (disks) => chosen(disks.map((disk, index) => ({ ...disk, name: `sd${index}` }))) === expected,
    ),
  )
})

test('a rule that fits several disks is refused: a guess could wipe the wrong one', (t) => {
  const [reason = ''] = reasons(withMatch({ minSizeGiB: 10 }))
  t.regex(reason, /^disks\[0\]\.match: 3 disks fit \(SATA-B \(sdb, 64 GiB\).*add smallest/)
})

test('a USB stick is taken by its name only', (t) => {
  t.regex(reasons(withMatch({ smallest: true, maxSizeGiB: 20 }))[0] ?? '', /STICK.*is removable/)
  t.deepEqual(reasons(withMatch({ serial: 'STICK', maxSizeGiB: 20 })), [
    'disks[0].match: STICK (sdz, 8 GiB) tells neither WWN nor serial number, so it could be mistaken for another after a restart',
  ])
})

test('every reason why a template does not fit is told, each with its path', (t) => {
  const network = { nics: [{ name: 'lan0', mac: '52:54:00:00:00:01' }] }
  const spec = { ...serverSpec, network, disks: [{ ...serverSpec.disks[0] }] }
  spec.disks[0] = { ...serverSpec.disks[0], match: { serial: 'gone' } } as never
  t.deepEqual(
    reasons(spec).map((reason) => reason.split(': ')[0]),
    ['disks[0].match', 'network.nics[0].mac'],
  )
  const large = [{ group: 'sys', volumes: [{ ...serverSpec.lvm[0].volumes[0], sizeGiB: 64 }] }]
  t.regex(
    reasons({ ...serverSpec, lvm: large })[0] ?? '',
    /^lvm\[0\]\.volumes: needs 65536 MiB, but the group sys has \d+ MiB$/,
  )
})

test('BIOS gets a boot partition on every disk that holds /boot, UEFI one ESP', (t) => {
  const kinds = (mode: 'bios' | 'uefi'): unknown => {
    const laid = fit(templateOf(mirroredSpec), reportOf(mode))
    return laid.ok
      ? laid.value.disks.map((disk) => [
          disk.boot,
          ...disk.partitions.map(({ content, sizeMiB }) => `${content.kind} ${sizeMiB}`),
        ])
      : laid.error
  }
  t.deepEqual(kinds('bios'), [
    [true, 'bios-boot 1', 'raid 1024', 'swap 4096', 'raid 60413'],
    [true, 'bios-boot 1', 'raid 1024', 'raid 64509'],
  ])
  t.deepEqual(kinds('uefi'), [
    [true, 'esp 512', 'raid 1024', 'swap 4096', 'raid 59902'],
    [false, 'raid 1024', 'raid 64510'],
  ])
})

test('a template’s own ESP is kept, and an MBR is no place for UEFI', (t) => {
  const own = [
    { sizeMiB: 300, filesystem: 'vfat', mount: '/boot/efi' },
    { grow: true, filesystem: 'ext4', mount: '/' },
  ]
  const disk = { match: { largest: true }, partitions: own }
  const laid = fit(templateOf({ ...plainSpec, disks: [disk] }), reportOf('uefi'))
  t.deepEqual(laid.ok ? laid.value.disks[0]?.partitions.map((part) => part.content.kind) : [], [
    'esp',
    'filesystem',
  ])
  const mbr = { ...plainSpec, disks: [{ ...plainSpec.disks[0], table: 'mbr' }] }
  t.deepEqual(reasons(mbr, reportOf('uefi')), [
    'disks[0].table: UEFI boots from gpt; an MBR is for BIOS',
  ])
})

test('partitions never overlap or leave their disk, volumes never exceed their group', (t) => {
  const sizes = fc.array(fc.integer({ min: 1, max: 9_000 }), { minLength: 1, maxLength: 5 })
  const volumes = fc.array(fc.double({ min: 0.001, max: 9, noNaN: true }), { maxLength: 4 })
  let fitted = 0
  fc.assert(
    fc.property(
      sizes,
      volumes,
      fc.integer({ min: 1, max: 40_000 }),
      fc.constantFrom('bios' as const, 'uefi' as const),
      (partitions, lvs, diskMiB, mode) => {
        const spec = templateOf({
          disks: [
            {
              match: { serial: 'NVME-A' },
              partitions: [
                ...partitions.map((sizeMiB) => ({ sizeMiB, filesystem: 'swap' })),
                { grow: true, lvm: 'sys' },
              ],
            },
          ],
          lvm: [
            {
              group: 'sys',
              volumes: [
                ...lvs.map((sizeGiB, index) => ({
                  name: `v${index}`,
                  sizeGiB,
                  filesystem: 'swap',
                })),
                { name: 'root', grow: true, filesystem: 'ext4', mount: '/' },
              ],
            },
          ],
        })
        const report = reportOf(mode)
        const disks = report.disks.map((disk) => ({
          ...disk,
          sizeBytes: diskMiB * 1_048_576 + 511,
        }))
        const laid = fit(spec, { ...report, disks })
        if (!laid.ok) return laid.error.length > 0
        fitted++
        let free = 1
        for (const part of laid.value.disks[0]?.partitions ?? []) {
          if (part.startMiB !== free || part.sizeMiB < 1) return false
          free += part.sizeMiB
        }
        const [group] = laid.value.groups
        const used = group?.volumes.reduce((sum, { sizeMiB }) => sum + sizeMiB, 0) ?? 0
        return free <= diskMiB - 1 && used === group?.sizeMiB
      },
    ),
    { seed: 10, numRuns: 300 },
  )
  t.true(fitted > 50)
})
