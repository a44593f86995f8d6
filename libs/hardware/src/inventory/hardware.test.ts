import { readFile } from 'node:fs/promises'
import { hostHardware } from '@purlin/schema'
import test from 'ava'
import { recordedTree } from '../../tests/support/recorded-tree.ts'
import { twoSockets } from '../../tests/support/two-sockets.ts'
import { HardwareReader, type HardwareReading } from './hardware.ts'

const NONE = { pci: new Map(), nics: new Map(), disks: new Map() }

const RECORDED = new URL('../../tests/fixtures/virtual-machine.json', import.meta.url)

async function readServer(claims = {}): Promise<HardwareReading> {
  await using recorded = await recordedTree(twoSockets())
  return await new HardwareReader(recorded.tree, 'x86_64').read({ ...NONE, ...claims })
}

const deviceAt = ({ pci }: HardwareReading, address: string) =>
  pci.find((device) => device.address === address)

test('a recorded virtual machine is read whole, in the words of the schema', async (t) => {
  await using recorded = await recordedTree(JSON.parse(await readFile(RECORDED, 'utf8')))
  const reading = await new HardwareReader(recorded.tree, 'x86_64').read()
  t.notThrows(() => hostHardware.parse({ host: 'one', readAtMs: 0, ...reading }))
  t.deepEqual(reading.cpu, {
    ...{ architecture: 'x86_64', model: 'Intel(R) Xeon(R) Processor' },
    ...{ sockets: 1, cores: 2, threads: 2 },
  })
  t.is(reading.memoryMiB, 24_105)
  t.like(reading.numa, [{ node: 0, cpus: '0-1', memoryMiB: 24_105, distances: [10] }])
  t.deepEqual(
    reading.disks.map(({ name, serial, transport, users }) => ({ name, serial, transport, users })),
    [
      {
        ...{ name: 'vda', serial: 'virtual-disk-1', transport: 'virtio' },
        users: ['file system /'],
      },
    ],
  )
  t.like(reading.nics, [{ name: 'eth0', driver: 'virtio_net', users: ['the default route'] }])
  t.is(reading.nics[0]?.speedMbps, undefined, 'a speed of -1 is none')
  t.deepEqual(
    reading.pci.map(({ obstacle }) => obstacle),
    [
      'it is a bridge of the host',
      'no IOMMU keeps it apart from the host’s memory',
      'file system / on vda has it',
      'the default route over eth0 has it',
      'no IOMMU keeps it apart from the host’s memory',
      'no IOMMU keeps it apart from the host’s memory',
    ],
  )
})

test('sockets, cores and NUMA nodes with their huge pages and distances are told', async (t) => {
  const { cpu, numa } = await readServer()
  t.like(cpu, { sockets: 2, cores: 4, threads: 8 })
  t.deepEqual(numa, [
    {
      ...{ node: 0, cpus: '0-1,4-5', memoryMiB: 62_500, distances: [10, 21] },
      hugePages: [{ sizeKiB: 2_048, count: 0 }],
    },
    {
      ...{ node: 1, cpus: '2-3,6-7', memoryMiB: 63_476, distances: [21, 10] },
      hugePages: [
        { sizeKiB: 2_048, count: 0 },
        { sizeKiB: 1_048_576, count: 16 },
      ],
    },
  ])
})

test('disks have their NUMA node and who has them, through partitions and volumes', async (t) => {
  const { disks } = await readServer({ disks: new Map([['/dev/sda', ['storage pool fast']]]) })
  t.deepEqual(disks, [
    {
      ...{ name: 'nvme0n1', serial: 'S4YPNC0R123456', wwn: 'eui.0025385b01234567' },
      ...{ model: 'SAMSUNG MZQLB3T8HALS-00007', sizeBytes: 3_840_755_982_336 },
      ...{ logicalBlockBytes: 4_096, media: 'ssd', transport: 'nvme', removable: false },
      ...{ readOnly: false, pciAddress: '0000:5e:00.0', numaNode: 0 },
      users: ['swap', 'file system /', 'file system /srv data'],
    },
    {
      ...{ name: 'sda', vendor: 'SEAGATE', model: 'ST8000NM0075', sizeBytes: 8_001_563_222_016 },
      ...{ logicalBlockBytes: 512, media: 'hdd', transport: 'sas', removable: false },
      ...{ readOnly: false, pciAddress: '0000:5f:00.0', numaNode: 1 },
      users: ['storage pool fast'],
    },
  ])
})

test('GPUs are told by name, a NIC with its speed, virtual functions with who made them', async (t) => {
  const reading = await readServer()
  t.deepEqual(
    reading.gpus.map(({ pciAddress, vendor, model, numaNode }) => [
      ...[pciAddress, vendor, model, numaNode],
    ]),
    [
      ['0000:af:00.0', 'NVIDIA Corporation', 'GA100 [A100 PCIe 40GB]', 1],
      ['0000:b0:00.0', 'NVIDIA Corporation', 'TU104GL [Tesla T4]', 1],
    ],
  )
  t.like(reading.nics, [
    { name: 'ens1f0', speedMbps: 10_000, mtu: 9_000, users: ['link bond0'], numaNode: 0 },
  ])
  t.deepEqual(deviceAt(reading, '0000:3b:00.0')?.virtualFunctions, { count: 2, most: 64 })
  const made = deviceAt(reading, '0000:3b:02.1')
  t.like(made, { physicalFunction: '0000:3b:00.0', iommuGroup: 12, driver: 'vfio-pci' })
})

const obstacles: readonly (readonly [string, string, string | undefined])[] = [
  ['a bridge', '0000:00:01.0', 'it is a bridge of the host'],
  ['an uplink', '0000:3b:00.0', 'link bond0 over ens1f0 has it'],
  ['the root disk', '0000:5e:00.0', 'swap on nvme0n1 and 2 more has it'],
  ['a virtual function', '0000:3b:02.0', undefined],
  ['a function that a machine has', '0000:3b:02.1', 'machine web-1 has it'],
  ['a controller whose disk is free', '0000:5f:00.0', undefined],
  ['a GPU alone in its group', '0000:af:00.0', undefined],
  [
    'a GPU whose group has more',
    '0000:b0:00.0',
    'its IOMMU group 31 has 0000:b0:00.1 (snd_hda_intel) as well',
  ],
  ['the other of that group', '0000:b0:00.1', 'its IOMMU group 31 has 0000:b0:00.0 as well'],
]

for (const [what, address, obstacle] of obstacles) {
  test(`${what} ${obstacle === undefined ? 'can go to a machine' : 'stays, and it is said why'}`, async (t) => {
    const reading = await readServer({ pci: new Map([['0000:3b:02.1', ['machine web-1']]]) })
    t.is(deviceAt(reading, address)?.obstacle, obstacle)
  })
}

test('a tree without anything is a host of which nothing is known, and no error', async (t) => {
  await using recorded = await recordedTree({})
  const reading = await new HardwareReader(recorded.tree, 'aarch64').read()
  t.like(reading, { memoryMiB: 0, numa: [], disks: [], nics: [], gpus: [], pci: [] })
  t.like(reading.cpu, { architecture: 'aarch64', model: 'unknown', threads: 0 })
})
