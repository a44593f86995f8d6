import { type DiscoveryReport, discoveryReport, kinds, type SpecOf } from '@purlin/schema'
import type { AnswerRequest, InstallerTarget } from '../src/answer/target.ts'
import { fit } from '../src/fit/fit.ts'
import type { InstallInputs } from '../src/inputs.ts'

const GIB = 1_073_741_824
export const HASH = `$6$saltsalt$${'A'.repeat(86)}`
const KEY = `ssh-ed25519 ${'A'.repeat(68)} ops@example.org`

/** A spec as the API would hold it, defaults filled in. */
export function templateOf(spec: unknown): SpecOf<'DeploymentTemplate'> {
  return kinds.DeploymentTemplate.manifest.parse({
    kind: 'DeploymentTemplate',
    name: 'sample',
    spec,
  }).spec
}

/** Volumes in a group beside a plain /boot, one bond: the template of the guide. */
export const serverSpec = {
  users: [{ name: 'ops', passwordHashFile: './ops.hash', sshKeys: ['./ops.pub'], sudo: true }],
  disks: [
    {
      match: { smallest: true, minSizeGiB: 4 },
      partitions: [
        { sizeMiB: 512, filesystem: 'ext4', mount: '/boot' },
        { grow: true, lvm: 'sys' },
      ],
    },
  ],
  lvm: [
    {
      group: 'sys',
      volumes: [
        { name: 'root', sizeGiB: 2, filesystem: 'ext4', mount: '/' },
        { name: 'swap', sizeGiB: 1, filesystem: 'swap' },
        { name: 'var', grow: true, filesystem: 'ext4', mount: '/var' },
      ],
    },
  ],
  network: {
    bonds: [
      {
        name: 'bond0',
        mode: 'active-backup',
        members: [{ mac: '52:54:00:88:00:07' }, { mac: '52:54:00:88:00:08' }],
      },
    ],
    addresses: [{ interface: 'bond0', cidr: '10.88.0.50/24', gateway: '10.88.0.1' }],
    dns: ['10.88.0.1'],
  },
  packages: ['tcpdump'],
} as const

/** Two mirrored disks, VLANs on a LACP bond, both families, proxy, scripts, two users. */
export const mirroredSpec = {
  locale: 'de_DE.UTF-8',
  timezone: 'Europe/Berlin',
  keyboard: 'de',
  proxy: 'http://10.88.0.1:3128',
  users: [
    { name: 'ops', passwordHashFile: './ops.hash', sudo: true },
    { name: 'deploy', sshKeys: ['./deploy.pub'], sudo: true },
  ],
  disks: [
    {
      match: { serial: 'NVME-A' },
      partitions: [
        { sizeMiB: 1_024, raid: 'boot' },
        { sizeMiB: 4_096, filesystem: 'swap' },
        { grow: true, raid: 'sys' },
      ],
    },
    {
      match: { wwn: '0X5000C500A1B2C3D4' },
      partitions: [
        { sizeMiB: 1_024, raid: 'boot' },
        { grow: true, raid: 'sys' },
      ],
    },
  ],
  raid: [
    { name: 'boot', level: 1, filesystem: 'ext4', mount: '/boot' },
    { name: 'sys', level: 1, lvm: 'vg0' },
  ],
  lvm: [
    {
      group: 'vg0',
      volumes: [
        { name: 'root', sizeGiB: 10, filesystem: 'xfs', mount: '/' },
        { name: 'srv', grow: true, filesystem: 'xfs', mount: '/srv' },
      ],
    },
  ],
  network: {
    nics: [{ name: 'lan0', mac: '52:54:00:88:00:09', mtu: 9_000 }],
    bonds: [
      {
        name: 'bond0',
        mode: '802.3ad',
        lacpRate: 'fast',
        transmitHash: 'layer3+4',
        mtu: 9_000,
        members: [{ mac: '52:54:00:88:00:07' }, { mac: '52:54:00:88:00:08' }],
      },
    ],
    vlans: [
      { parent: 'bond0', id: 100 },
      { name: 'storage', parent: 'lan0', id: 200 },
    ],
    addresses: [
      { interface: 'bond0.100', cidr: '10.100.0.5/24', gateway: '10.100.0.1' },
      { interface: 'bond0.100', cidr: 'fd00:100::5/64', gateway: 'fe80::1' },
      { interface: 'storage', cidr: '10.200.0.5/24' },
      { interface: 'lan0', dhcp: true },
    ],
    routes: [{ interface: 'storage', to: '10.201.0.0/16', via: '10.200.0.1', metric: 50 }],
    dns: ['10.100.0.1', 'fd00:100::1'],
    searchDomains: ['example.org'],
  },
  packages: ['tcpdump', 'chrony'],
  scripts: { before: ['./firmware.sh'], after: ['./tune.sh'] },
} as const

/** One disk without groups: what Debian's installer calls the regular method. */
export const plainSpec = {
  users: [{ name: 'ops', sshKeys: ['./ops.pub'], sudo: true }],
  disks: [
    {
      match: { smallest: true },
      partitions: [
        { sizeMiB: 1_024, filesystem: 'swap' },
        { grow: true, filesystem: 'xfs', mount: '/' },
      ],
    },
  ],
  monitoring: false,
} as const

/** A chassis with two NVMe-like disks of 64 GiB, one of 200 GiB and a USB stick. */
export function reportOf(mode: 'bios' | 'uefi'): DiscoveryReport {
  return discoveryReport.parse({
    version: 1,
    system: { uuid: 'DEADBEEF-0000-4000-8000-525400880007', serial: 'C7', product: 'Rack 1' },
    firmware: { mode },
    cpu: { architecture: 'x86_64', sockets: [{ model: 'CPU', cores: 8, threads: 16 }] },
    memory: { sizeMiB: 65_536 },
    disks: [
      {
        name: 'sdb',
        wwn: '0x5000c500a1b2c3d4',
        serial: 'SATA-B',
        sizeBytes: 64 * GIB,
        media: 'ssd',
        transport: 'sata',
        links: ['ata-MODEL_SATA-B', 'wwn-0x5000c500a1b2c3d4'],
      },
      {
        name: 'nvme0n1',
        wwn: 'eui.0025388b71b0a1b2',
        serial: 'NVME-A',
        sizeBytes: 64 * GIB,
        media: 'ssd',
        transport: 'nvme',
      },
      { name: 'vdc', serial: 'big-1', sizeBytes: 200 * GIB, media: 'hdd', transport: 'virtio' },
      {
        name: 'sdz',
        serial: 'STICK',
        sizeBytes: 8 * GIB,
        media: 'ssd',
        transport: 'usb',
        removable: true,
      },
    ],
    nics: ['07', '08', '09'].map((last, index) => ({
      name: `eth${index}`,
      mac: `52:54:00:88:00:${last}`,
      link: true,
    })),
  })
}

/** Inputs for a template: each user's files and scripts made up. */
export function inputsOf(spec: SpecOf<'DeploymentTemplate'>): InstallInputs {
  return {
    hostname: 'db-1.example.org',
    bootMac: '52:54:00:88:00:07',
    nodeUrl: 'http://10.88.0.1:8090/node/@TOKEN@',
    mediaUrl: 'http://10.88.0.1:8090/media/os-1',
    users: spec.users.map(({ name, passwordHashFile, sshKeys, sudo }) => ({
      name,
      ...(passwordHashFile !== undefined && { passwordHash: HASH }),
      sshKeys: sshKeys.map(() => KEY),
      sudo,
    })),
    scripts: {
      before: spec.scripts.before.map(() => 'echo before\n'),
      after: spec.scripts.after.map(() => 'echo after\n'),
    },
  }
}

/** A request that fits the sample chassis. */
export function requestOf(
  target: InstallerTarget,
  sample: unknown,
  mode: 'bios' | 'uefi',
): AnswerRequest {
  const spec = templateOf(sample)
  const layout = fit(spec, reportOf(mode))
  if (!layout.ok) throw new Error(JSON.stringify(layout.error))
  return { target, spec, layout: layout.value, inputs: inputsOf(spec) }
}
