import {
  bareMetalOperations,
  type Kind,
  type Resource,
  storedSchemaOf,
  type Task,
} from '@purlin/schema'
import type { Routes } from './agent.ts'
import { NOW_MS } from './run.ts'

const HOUR_MS = 3_600_000
const MINUTE_MS = 60_000
const GIB = 1024 ** 3

function stored<K extends Kind>(
  kind: K,
  name: string,
  spec: unknown,
  observed: Readonly<Record<string, unknown>> = {},
): Resource<K> {
  return storedSchemaOf(kind).parse({
    kind,
    name,
    spec,
    uid: `uid-${name}`,
    generation: 1,
    revision: 17,
    createdAtMs: NOW_MS - 26 * HOUR_MS,
    status: {
      observedGeneration: 1,
      conditions: [
        {
          type: 'Ready',
          status: 'true',
          reason: 'Ready',
          message: `said of ${name}`,
          sinceMs: NOW_MS - HOUR_MS,
        },
      ],
      ...observed,
    },
  }) as Resource<K>
}

const chassisSpec = {
  bmc: { protocol: 'ipmi', address: '10.9.0.7', port: 9001, secret: 'bmc-1' },
  bootMac: '52:54:00:88:00:07',
  firmware: 'bios',
  network: 'deploy0',
}
const report = {
  id: 2,
  atMs: NOW_MS - 2 * HOUR_MS,
  manufacturer: 'QEMU',
  product: 'Standard PC',
  serial: 'S-7',
  cpuThreads: 8,
  memoryMiB: 16_384,
  disks: 2,
  diskBytes: 480 * GIB,
  nics: 2,
  gpus: 1,
}
/** A chassis that is being installed, and one that failed. */
const writing = stored('Chassis', 'rack1-u07', chassisSpec, {
  power: 'on',
  powerReadAtMs: NOW_MS - 20_000,
  address: '10.88.0.100',
  report,
  bmc: { reachable: true, atMs: NOW_MS - 20_000 },
  life: {
    state: 'writing',
    step: 'the image to be unpacked',
    sinceMs: NOW_MS - 90_000,
    deadlineAtMs: NOW_MS + 28 * MINUTE_MS,
    attempt: 2,
    instance: 'db-1-metal',
    identity: 'same',
    maintenance: false,
  },
})
const failed = stored('Chassis', 'rack1-u08', chassisSpec, {
  power: 'off',
  bmc: { reachable: false, message: 'no answer in 12 s', atMs: NOW_MS - MINUTE_MS },
  life: {
    state: 'failed',
    sinceMs: NOW_MS - HOUR_MS,
    maintenance: true,
    maintenanceReason: 'fan',
    failure: {
      state: 'booting',
      cause: 'it never asked what to boot; its BMC may ignore the boot device',
      code: 'PUR_LIFE_BOOT_IGNORED',
      retriable: true,
      atMs: NOW_MS - HOUR_MS,
      consoleTail: 'Booting from Hard Disk...\r\n\u001b[2JNo bootable device.\r\n',
      eventLog: [{ atMs: NOW_MS - HOUR_MS, sensor: 'Fan 1', text: 'lower critical' }],
    },
  },
})
const template = stored('DeploymentTemplate', 'db-server', {
  users: [{ name: 'ops', passwordHashFile: './ops.hash', sudo: true }],
  disks: [
    { match: { smallest: true }, partitions: [{ grow: true, filesystem: 'ext4', mount: '/' }] },
  ],
  packages: ['openssh-server'],
})
const media = stored(
  'InstallMedia',
  'debian-13',
  { family: 'debian', version: '13', iso: './media/debian-13.iso' },
  {
    content: { state: 'fetching', bytes: GIB, sizeBytes: 4 * GIB, sinceMs: NOW_MS - MINUTE_MS },
  },
)
const image = stored(
  'Image',
  'debian-root',
  { family: 'debian', version: '13', file: './root.tar.zst' },
  {
    content: {
      state: 'ready',
      bytes: GIB,
      sizeBytes: GIB,
      sha256: 'ab'.repeat(32),
      sinceMs: NOW_MS - HOUR_MS,
    },
  },
)
const instance = stored(
  'BareMetalInstance',
  'db-1-metal',
  { chassis: 'rack1-u07', template: 'db-server', source: { media: 'debian-13' } },
  { state: 'writing', addresses: ['10.88.0.50'] },
)
const network = stored(
  'DeploymentNetwork',
  'deploy0',
  {
    interface: 'deploy0',
    subnet: { cidr: '10.88.0.0/24', from: '10.88.0.100', to: '10.88.0.199' },
  },
  {
    enrolUntilMs: NOW_MS + HOUR_MS,
    unknown: [{ mac: '52:54:00:99:00:01', seenAtMs: NOW_MS, product: 'Unknown box' }],
  },
)

/** A task about a chassis. */
export function metalTask(fields: Partial<Task> = {}): Task {
  return {
    id: '01task',
    verb: 'discover',
    targets: [{ kind: 'Chassis', name: 'rack1-u07' }],
    state: 'succeeded',
    progress: { done: 1, total: 1, text: 'done' },
    createdAtMs: NOW_MS - 1_000,
    endedAtMs: NOW_MS,
    ...fields,
  }
}

const plan = bareMetalOperations.planInstance.answer.parse({
  chassis: 'rack1-u07',
  template: 'db-server',
  source: 'media debian-13',
  report: 2,
  target: 'debian-13',
  problems: [{ path: 'spec.raid', message: 'Debian’s installer lays out no arrays' }],
  disks: [
    {
      disk: 'ata-QEMU_HARDDISK_S1',
      model: 'QEMU',
      sizeMiB: 8_192,
      table: 'gpt',
      boot: true,
      parts: [
        { name: 'partition 1', sizeMiB: 512, content: 'ext4 on /boot' },
        { name: 'partition 2', sizeMiB: 7_678, content: 'of group sys' },
      ],
    },
  ],
  arrays: [],
  volumes: [{ name: 'sys/root', sizeMiB: 2_048, content: 'ext4 on /' }],
  network: [
    {
      interface: 'bond0',
      kind: 'bond',
      of: ['52:54:00:88:00:07', '52:54:00:88:00:08'],
      addresses: ['10.88.0.50/24'],
      gateway: '10.88.0.1',
    },
    { interface: 'bond0.20', kind: 'vlan', of: ['bond0'], vlan: 20, addresses: [] },
  ],
  kernelArguments: 'auto=true url=http://10.88.0.1:8088/node/***/file/answer',
  files: [{ name: 'answer', text: 'd-i passwd/user-password-crypted password ***\n' }],
  steps: [],
})

const lines = [
  { kind: 'began', atMs: NOW_MS },
  {
    kind: 'output',
    atMs: NOW_MS,
    base64: Buffer.from('iPXE initialising devices...ok\r\n').toString('base64'),
  },
  { kind: 'skipped', bytes: 42 },
  { kind: 'ended', atMs: NOW_MS, reason: 'the session was closed' },
]

const C = '/v1/chassis/rack1-u07'
/** Answers of a daemon of a deployment network. */
export const metalRoutes: Routes = {
  'GET /v1/chassis': [200, { items: [writing, failed] }],
  'GET /v1/chassis/rack1-u07': [200, writing],
  'GET /v1/chassis/rack1-u08': [200, failed],
  'GET /v1/deployment-templates': [200, { items: [template] }],
  'GET /v1/install-media': [200, { items: [media] }],
  'GET /v1/install-media/debian-13': [200, media],
  'GET /v1/images': [200, { items: [image] }],
  'GET /v1/images/debian-root': [200, image],
  'GET /v1/bare-metal-instances': [200, { items: [instance] }],
  'GET /v1/bare-metal-instances/db-1-metal': [200, instance],
  'GET /v1/deployment-networks': [200, { items: [network] }],
  'GET /v1/deployment-networks/deploy0': [200, network],
  'GET /v1/port-groups': [200, { items: [] }],
  [`GET ${C}/power`]: [200, { power: 'on', readAtMs: NOW_MS }],
  [`POST ${C}/power`]: [202, metalTask({ verb: 'power' })],
  [`GET ${C}/boot`]: [200, { device: 'none', lasting: false, valid: true }],
  [`PUT ${C}/boot`]: [200, { device: 'pxe', lasting: true, firmware: 'bios', valid: true }],
  [`DELETE ${C}/boot`]: [200, { device: 'none', lasting: false, valid: true }],
  [`GET ${C}/sensors`]: [
    200,
    {
      items: [
        { name: 'Temp 1', reading: 42, unit: 'degrees C', status: 'ok', upperCritical: 90 },
        { name: 'Fan 1', reading: 0, unit: 'RPM', status: 'cr', lowerCritical: 500 },
      ],
    },
  ],
  [`GET ${C}/field-units`]: [
    200,
    { items: [{ name: 'Builtin', fields: [{ name: 'Product Serial', value: 'S-7' }] }] },
  ],
  [`GET ${C}/event-log`]: [
    200,
    { items: [{ id: '1', atMs: NOW_MS, sensor: 'Fan 1', text: 'lower critical' }] },
  ],
  [`DELETE ${C}/event-log`]: [200, {}],
  [`GET ${C}/hardware`]: [200, { manufacturer: 'QEMU', biosVersion: '1.16', memoryMiB: 16_384 }],
  [`GET ${C}/identity`]: [200, { uuids: ['u-1', 'u-2'], serials: ['S-7'] }],
  [`GET ${C}/console`]: [200, lines.map((line) => `${JSON.stringify(line)}\n\n`).join('')],
  [`POST ${C}/verify`]: [202, metalTask({ verb: 'verify' })],
  [`POST ${C}/discover`]: [202, metalTask()],
  [`POST ${C}/cancel`]: [202, metalTask({ verb: 'cancel' })],
  [`POST ${C}/retry`]: [202, metalTask({ verb: 'retry' })],
  [`POST ${C}/rescue`]: [202, metalTask({ verb: 'rescue' })],
  [`DELETE ${C}/rescue`]: [202, metalTask({ verb: 'end-rescue' })],
  [`PUT ${C}/maintenance`]: [
    200,
    { state: 'available', sinceMs: NOW_MS - MINUTE_MS, maintenance: true },
  ],
  [`GET ${C}/history`]: [
    200,
    {
      items: [
        {
          sequence: 1,
          atMs: NOW_MS - HOUR_MS,
          event: 'enrolled',
          from: 'enrolled',
          to: 'verifying',
        },
        {
          sequence: 2,
          atMs: NOW_MS,
          event: 'deadline',
          from: 'booting',
          to: 'failed',
          attempt: 3,
          message: 'it never asked',
          consoleTail: 'No bootable device.\r\n',
        },
      ],
    },
  ],
  [`GET ${C}/reports`]: [200, { items: [report] }],
  [`GET ${C}/reports/latest`]: [
    200,
    bareMetalOperations.getChassisReport.answer.parse({
      id: 2,
      atMs: NOW_MS,
      report: {
        version: 1,
        system: { manufacturer: 'QEMU', product: 'Standard PC', serial: 'S-7' },
        firmware: { mode: 'bios', vendor: 'SeaBIOS' },
        cpu: { architecture: 'x86_64', sockets: [{ model: 'Xeon', cores: 4, threads: 8 }] },
        memory: { sizeMiB: 16_384, modules: [{ slot: 'DIMM 0', sizeMiB: 16_384 }] },
        disks: [{ name: 'sda', serial: 'S1', sizeBytes: 8 * GIB, media: 'ssd', transport: 'sata' }],
        nics: [
          {
            name: 'eth0',
            mac: '52:54:00:88:00:07',
            link: true,
            speedMbps: 10_000,
            neighbour: { chassisId: '00:11:22:33:44:55', portId: 'ge-0/0/7', systemName: 'leaf-1' },
          },
          { name: 'eth1', mac: '52:54:00:88:00:08', link: false },
        ],
        gpus: [{ pciAddress: '0000:3b:00.0', vendor: 'NVIDIA', model: 'L4', memoryMiB: 24_576 }],
      },
    }),
  ],
  [`GET ${C}/report-changes`]: [
    200,
    {
      from: 1,
      to: 2,
      changes: [
        { change: 'removed', part: 'disk S2', before: 'sdb' },
        { change: 'changed', part: 'memory', field: 'sizeMiB', before: 32_768, after: 16_384 },
      ],
    },
  ],
  'GET /v1/bare-metal-instances/db-1-metal/plan': [200, plan],
  'POST /v1/bare-metal-instances/db-1-metal/release': [202, metalTask({ verb: 'release' })],
  'GET /v1/bare-metal-instances/db-1-metal/metrics': [
    200,
    {
      instance: 'db-1-metal',
      chassis: 'rack1-u07',
      reporting: true,
      lastPushMs: NOW_MS,
      series: [
        { metric: 'node_load1', labels: {}, value: 0.25 },
        { metric: 'node_filesystem_avail_bytes', labels: { mountpoint: '/' }, value: null },
      ],
    },
  ],
  'GET /v1/bare-metal-instances/db-1-metal/metrics/range': [
    200,
    {
      instance: 'db-1-metal',
      chassis: 'rack1-u07',
      reporting: true,
      fromMs: NOW_MS - HOUR_MS,
      toMs: NOW_MS,
      stepMs: MINUTE_MS,
      series: [{ metric: 'node_load1', labels: {}, points: [[NOW_MS - MINUTE_MS, 0.25]] }],
    },
  ],
  'GET /v1/deployment-templates/db-server/check': [200, { ...plan, problems: [] }],
  'POST /v1/deployment-networks/deploy0/probe': [
    200,
    {
      servers: [
        { address: '10.88.0.1', mac: '52:54:00:00:00:01', offered: '10.88.0.101', own: true },
        { address: '10.88.0.66', mac: '52:54:00:00:00:66', own: false },
      ],
      foreign: true,
    },
  ],
  'POST /v1/deployment-networks/deploy0/enrol': [200, { untilMs: NOW_MS + 15 * MINUTE_MS }],
  'GET /v1/tasks': [200, { items: [metalTask()] }],
  'GET /v1/tasks/01task': [200, metalTask()],
  'GET /v1/events': [200, ''],
  'GET /v1/doctor': [
    200,
    { findings: [{ check: 'dnsmasq', status: 'problem', found: 'not running', advice: 'see' }] },
  ],
  'PUT /v1/install-media/debian-13/content': [
    200,
    { state: 'extracting', bytes: 5, sizeBytes: 5, sha256: 'cd'.repeat(32), sinceMs: NOW_MS },
  ],
  'POST /v1/apply': [202, metalTask({ verb: 'apply' })],
  'POST /v1/plan': [200, { changes: [], unread: [], steps: [] }],
}
