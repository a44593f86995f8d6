import { type DiscoveryReport, discoveryReport, kinds } from '@purlin/schema'
import type { InstanceInputs, ReadyImage, ReadyMedium } from '../../src/life/ports.ts'
import { MAC, UUID } from './lives.ts'

const GIB = 1_073_741_824

export const MEDIUM: ReadyMedium = {
  name: 'debian-13',
  target: 'debian-13',
  kernel: '/media/debian-13/linux',
  initrds: ['/media/debian-13/initrd.gz'],
  tree: '/media/debian-13',
}

export const ROOT_IMAGE: ReadyImage = {
  name: 'debian',
  path: '/image/debian',
  sha256: 'a'.repeat(64),
  packages: 'apt',
  backend: 'networkd',
}

/** A template of one disk; the instance's name says which path it takes. */
export function inputsOf(instance: string): InstanceInputs {
  const { spec } = kinds.DeploymentTemplate.manifest.parse({
    kind: 'DeploymentTemplate',
    name: 'server',
    spec: {
      users: [{ name: 'ops', sshKeys: ['./ops.pub'], sudo: true }],
      disks: [
        {
          match: { smallest: true },
          partitions: [{ grow: true, filesystem: 'ext4', mount: '/' }],
        },
      ],
      network: {
        nics: [{ name: 'lan0', mac: MAC }],
        addresses: [{ interface: 'lan0', cidr: '10.88.0.50/24' }],
      },
    },
  })
  return {
    spec,
    source: instance.startsWith('image') ? { image: 'debian' } : { media: 'debian-13' },
    hostname: instance,
    users: [
      { name: 'ops', sshKeys: [`ssh-ed25519 ${'A'.repeat(68)} ops@example.org`], sudo: true },
    ],
    scripts: { before: [], after: [] },
  }
}

/** What the sample chassis reports. */
export function reportOf(): DiscoveryReport {
  return discoveryReport.parse({
    version: 1,
    system: { uuid: UUID, serial: 'C7', product: 'Rack 1' },
    firmware: { mode: 'bios' },
    cpu: { architecture: 'x86_64', sockets: [{ model: 'CPU', cores: 8, threads: 16 }] },
    memory: { sizeMiB: 65_536 },
    disks: [
      {
        name: 'vda',
        serial: 'disk0',
        sizeBytes: 16 * GIB,
        media: 'ssd',
        transport: 'virtio',
        links: ['virtio-disk0'],
      },
      {
        name: 'sdb',
        serial: 'STICK',
        sizeBytes: 8 * GIB,
        media: 'ssd',
        transport: 'usb',
        removable: true,
      },
    ],
    nics: [{ name: 'eth0', mac: MAC, link: true }],
  })
}
