import test from 'ava'
import { hardwareOfReport, hardwareOfTemplate, type TemplateHardware } from './hardware.ts'

const BOOT = '52:54:00:88:00:07'
const empty = { nics: [], bonds: [] }

function template(change: Partial<TemplateHardware>): TemplateHardware {
  return { disks: [], lvm: [], network: empty, ...change }
}

test('a disk is large enough for its partitions, the volumes, and its rule', (t) => {
  const hardware = hardwareOfTemplate(
    template({
      disks: [
        { match: { minSizeGiB: 4 }, partitions: [{ sizeMiB: 512 }] },
        { match: { minSizeGiB: 100 }, partitions: [{}] },
      ],
      lvm: [{ volumes: [{ sizeGiB: 2 }, {}] }],
    }),
    BOOT,
  )
  const [first, second] = hardware.disks.map(({ sizeGiB }) => sizeGiB)
  t.true((first ?? 0) >= 4 + 2)
  t.is(second, 100)
})

test('rules with serial number, WWN and media find their disks', (t) => {
  const rule = { serial: 'S3Z8NB0K', wwn: '0x5002538D4181D9AA', media: 'ssd' } as const
  const { disks } = hardwareOfTemplate(
    template({ disks: [{ match: rule, partitions: [{}] }] }),
    BOOT,
  )
  t.like(disks[0], { serial: 'S3Z8NB0K', wwn: '0x5002538d4181d9aa', media: 'ssd' })
})

test('the rule for the largest disk finds a larger one than the others', (t) => {
  const { disks } = hardwareOfTemplate(
    template({
      disks: [
        { match: { largest: true }, partitions: [{}] },
        { match: { smallest: true }, partitions: [{}] },
      ],
    }),
    BOOT,
  )
  t.true((disks[0]?.sizeGiB ?? 0) > (disks[1]?.sizeGiB ?? 0))
})

test('every card that the template names is there once, the boot card first', (t) => {
  const other = '52:54:00:88:00:08'
  const bonds = [{ members: [{ mac: other }, { mac: BOOT.toUpperCase() }] }]
  const { macs } = hardwareOfTemplate(template({ network: { nics: [], bonds } }), BOOT)
  t.deepEqual(macs, [BOOT, other])
})

test('a discovered machine is made again with its sizes, serial numbers and media', (t) => {
  const { disks, macs } = hardwareOfReport(
    {
      memory: { sizeMiB: 65_536 },
      disks: [
        { serial: 'A1', sizeBytes: 480 * 1024 ** 3, media: 'ssd', transport: 'sata' },
        { serial: 'stick', sizeBytes: 1024 ** 3, media: 'ssd', transport: 'usb' },
      ],
      nics: [{ mac: '52:54:00:88:00:09' }],
      firmware: { mode: 'uefi' },
      system: {},
    },
    BOOT,
  )
  t.deepEqual(disks, [{ sizeGiB: 480, serial: 'A1', media: 'ssd' }])
  t.deepEqual(macs, [BOOT, '52:54:00:88:00:09'])
})
