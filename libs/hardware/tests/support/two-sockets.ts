import type { Recording } from './recorded-tree.ts'

/** A server with two sockets, made by hand after the kernel's documentation of sysfs: two NUMA
 *  nodes with huge pages, an NVMe disk with the root file system on LVM, a SAS disk that is free,
 *  a NIC with virtual functions, two GPUs of which one shares its IOMMU group with its sound
 *  device, and a bridge above them. */
export function twoSockets(): Recording {
  return {
    ...processors(),
    ...node(0, '0-1,4-5', 64_000_000, '10 21'),
    ...node(1, '2-3,6-7', 65_000_000, '21 10'),
    '/sys/devices/system/node/node1/hugepages/hugepages-1048576kB/nr_hugepages': '16',
    '/proc/meminfo': 'MemTotal:       129000000 kB\nMemAvailable:   100000000 kB',
    ...disks(),
    ...nics(),
    ...device('0000:00:01.0', { class: '060400', id: '8086:2030', node: 0, group: 1 }),
    ...device('0000:3b:00.0', {
      class: '020000',
      id: '8086:1572',
      node: 0,
      group: 10,
      driver: 'i40e',
    }),
    [`${pci('0000:3b:00.0')}/sriov_totalvfs`]: '64',
    [`${pci('0000:3b:00.0')}/sriov_numvfs`]: '2',
    ...virtualFunction('0000:3b:02.0', 11),
    ...virtualFunction('0000:3b:02.1', 12),
    ...device('0000:5e:00.0', {
      class: '010802',
      id: '144d:a80a',
      node: 0,
      group: 20,
      driver: 'nvme',
    }),
    ...device('0000:5f:00.0', {
      ...{ class: '010700', id: '1000:00af', node: 1, group: 21, driver: 'mpt3sas' },
    }),
    ...device('0000:af:00.0', { class: '030200', id: '10de:20f1', node: 1, group: 30 }),
    ...device('0000:b0:00.0', {
      ...{ class: '030000', id: '10de:1eb8', node: 1, group: 31, driver: 'vfio-pci' },
    }),
    ...device('0000:b0:00.1', {
      ...{ class: '040300', id: '10de:10f8', node: 1, group: 31, driver: 'snd_hda_intel' },
    }),
    '/usr/share/misc/pci.ids': [
      '# a comment',
      '10de  NVIDIA Corporation',
      '\t1eb8  TU104GL [Tesla T4]',
      '\t20f1  GA100 [A100 PCIe 40GB]',
      '\t\t10de 145f  a subsystem',
      '8086  Intel Corporation',
      '\t1572  Ethernet Controller X710 for 10GbE SFP+',
      'C 03  Display controller',
      '\t00  VGA compatible controller',
    ].join('\n'),
  }
}

interface Made {
  readonly class: string
  readonly id: string
  readonly node: number
  readonly group: number
  readonly driver?: string
}

function pci(address: string): string {
  return `/sys/devices/pci${address.slice(0, 7)}/${address}`
}

function device(address: string, { class: kind, id, node: at, group, driver }: Made): Recording {
  const folder = pci(address)
  const [vendor, model] = id.split(':')
  return {
    [`/sys/bus/pci/devices/${address}`]: { to: folder },
    [`${folder}/class`]: `0x${kind}`,
    [`${folder}/vendor`]: `0x${vendor}`,
    [`${folder}/device`]: `0x${model}`,
    [`${folder}/numa_node`]: String(at),
    [`${folder}/iommu_group`]: { to: `/sys/kernel/iommu_groups/${group}` },
    ...(driver && { [`${folder}/driver`]: { to: `/sys/bus/pci/drivers/${driver}` } }),
  }
}

function virtualFunction(address: string, group: number): Recording {
  return {
    ...device(address, { class: '020000', id: '8086:154c', node: 0, group, driver: 'vfio-pci' }),
    [`${pci(address)}/physfn`]: { to: pci('0000:3b:00.0') },
  }
}

function processors(): Recording {
  const places = Array.from({ length: 8 }, (_none, cpu) => {
    const topology = `/sys/devices/system/cpu/cpu${cpu}/topology`
    const socket = Math.floor((cpu % 4) / 2)
    return [
      [`${topology}/physical_package_id`, String(socket)],
      [`${topology}/core_id`, String(cpu % 2)],
    ]
  })
  return {
    ...Object.fromEntries(places.flat()),
    '/sys/devices/system/cpu/online': '0-7',
    '/sys/devices/system/node/online': '0-1',
    '/proc/cpuinfo': 'processor\t: 0\nmodel name\t: A Processor of Eight Threads\n',
  }
}

function node(number: number, cpus: string, memoryKib: number, distance: string): Recording {
  const folder = `/sys/devices/system/node/node${number}`
  return {
    [`${folder}/cpulist`]: cpus,
    [`${folder}/distance`]: distance,
    [`${folder}/meminfo`]: `Node ${number} MemTotal: ${memoryKib} kB\nNode ${number} MemFree: 2048 kB`,
    [`${folder}/hugepages/hugepages-2048kB/nr_hugepages`]: '0',
  }
}

function disks(): Recording {
  const nvme = `${pci('0000:5e:00.0')}/nvme/nvme0`
  const sas = `${pci('0000:5f:00.0')}/host0/port-0:0/end_device-0:0/target0:0:0/0:0:0:0`
  return {
    '/sys/block/nvme0n1': { to: `${nvme}/nvme0n1` },
    '/sys/class/block/nvme0n1': { to: `${nvme}/nvme0n1` },
    [`${nvme}/nvme0n1/device`]: { to: nvme },
    [`${nvme}/nvme0n1/size`]: '7501476528',
    [`${nvme}/nvme0n1/dev`]: '259:0',
    [`${nvme}/nvme0n1/wwid`]: 'eui.0025385b01234567',
    [`${nvme}/nvme0n1/queue/rotational`]: '0',
    [`${nvme}/nvme0n1/queue/logical_block_size`]: '4096',
    [`${nvme}/serial`]: 'S4YPNC0R123456      ',
    [`${nvme}/model`]: 'SAMSUNG MZQLB3T8HALS-00007',
    [`${nvme}/nvme0n1/nvme0n1p2/partition`]: '2',
    '/sys/class/block/nvme0n1p2': { to: `${nvme}/nvme0n1/nvme0n1p2` },
    [`${nvme}/nvme0n1/nvme0n1p2/dev`]: '259:2',
    [`${nvme}/nvme0n1/nvme0n1p2/holders/dm-0`]: { to: '/sys/devices/virtual/block/dm-0' },
    '/sys/block/dm-0': { to: '/sys/devices/virtual/block/dm-0' },
    '/sys/class/block/dm-0': { to: '/sys/devices/virtual/block/dm-0' },
    '/sys/devices/virtual/block/dm-0/dev': '253:0',
    '/sys/devices/virtual/block/dm-0/size': '1000',
    '/sys/devices/virtual/block/dm-0/dm/name': 'vg-root',
    '/sys/block/sda': { to: `${sas}/block/sda` },
    '/sys/class/block/sda': { to: `${sas}/block/sda` },
    [`${sas}/block/sda/device`]: { to: sas },
    [`${sas}/block/sda/size`]: '15628053168',
    [`${sas}/block/sda/dev`]: '8:0',
    [`${sas}/block/sda/queue/rotational`]: '1',
    [`${sas}/vendor`]: 'SEAGATE ',
    [`${sas}/model`]: 'ST8000NM0075    ',
    '/sys/block/sr0': { to: '/sys/devices/pci0000:00/sr0' },
    '/sys/devices/pci0000:00/sr0/size': '0',
    '/proc/self/mountinfo': [
      '22 1 0:5 / /proc rw shared:1 - proc proc rw',
      '25 1 253:0 / / rw,relatime shared:1 - xfs /dev/mapper/vg-root rw',
      '26 25 253:0 /srv /srv\\040data rw shared:2 - xfs /dev/mapper/vg-root rw',
    ].join('\n'),
    '/proc/swaps': 'Filename Type Size Used Priority\n/dev/nvme0n1p2 partition 1 0 -2',
  }
}

function nics(): Recording {
  const port = `${pci('0000:3b:00.0')}/net/ens1f0`
  return {
    '/sys/class/net/ens1f0': { to: port },
    [`${port}/device`]: { to: pci('0000:3b:00.0') },
    [`${port}/address`]: '3c:fd:fe:00:00:01',
    [`${port}/type`]: '1',
    [`${port}/carrier`]: '1',
    [`${port}/speed`]: '10000',
    [`${port}/mtu`]: '9000',
    [`${port}/master`]: { to: '/sys/devices/virtual/net/bond0' },
    '/sys/class/net/bond0': { to: '/sys/devices/virtual/net/bond0' },
    '/sys/devices/virtual/net/bond0/address': '3c:fd:fe:00:00:01',
    '/proc/net/route': [
      'Iface\tDestination\tGateway\tFlags\tRefCnt\tUse\tMetric\tMask\tMTU\tWindow\tIRTT',
      'bond0\t00000000\t0100000A\t0003\t0\t0\t0\t00000000\t0\t0\t0',
    ].join('\n'),
  }
}
