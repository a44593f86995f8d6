import { type Kind, operations, type Resource, storedSchemaOf, type Task } from '@purlin/schema'
import { problem, type Routes } from './agent.ts'
import { NOW_MS } from './run.ts'

const HOUR_MS = 3_600_000

function stored<K extends Kind>(
  kind: K,
  name: string,
  spec: unknown,
  ready: 'true' | 'false' | 'unknown' = 'true',
  observed: Readonly<Record<string, unknown>> = {},
): Resource<K> {
  const reasons = { true: 'Made', false: 'NotEnforced', unknown: 'Pending' }
  return storedSchemaOf(kind).parse({
    kind,
    name,
    spec,
    uid: `uid-${name}`,
    generation: 2,
    revision: 17,
    createdAtMs: NOW_MS - 26 * HOUR_MS,
    status: {
      observedGeneration: 2,
      conditions: [
        {
          type: 'Ready',
          status: ready,
          reason: reasons[ready],
          message: `said of ${name}`,
          sinceMs: NOW_MS - HOUR_MS,
        },
      ],
      ...observed,
    },
  }) as Resource<K>
}

const machineSpec = {
  cpus: 1,
  memoryMiB: 128,
  image: 'probe',
  nics: [{ name: 'eth0', portGroup: 'prod', securityGroups: ['ops', 'web'] }],
}
const portSpec = {
  virtualMachine: 'web-1',
  nic: 'eth0',
  portGroup: 'prod',
  mac: '52:54:00:12:34:56',
  ipv4: ['10.77.0.50'],
  ipv6: ['fd77::50'],
  deviceKey: '0a1b2c3d',
  conntrackZone: 1,
}

export const samples = {
  machines: [
    stored('VirtualMachine', 'web-1', machineSpec, 'true', { powerState: 'running' }),
    stored('VirtualMachine', 'db-1', { ...machineSpec, nics: [] }, 'unknown', {
      powerState: 'absent',
    }),
  ],
  ports: [
    stored('Port', 'web-1.eth0', portSpec),
    stored('Port', 'db-1.eth0', { ...portSpec, virtualMachine: 'db-1', ipv4: [] }, 'false'),
  ],
  portGroups: [
    stored('PortGroup', 'prod', {
      switch: 'dvs0',
      vlan: 100,
      subnets: [{ cidr: '10.77.0.0/24' }, { cidr: 'fd77::/64' }],
    }),
    stored('PortGroup', 'lab', { switch: 'dvs0' }),
  ],
  switches: [stored('DistributedSwitch', 'dvs0', {})],
  groups: [
    stored('SecurityGroup', 'web', {
      inbound: [
        {
          family: 'ipv4',
          protocol: 'tcp',
          ports: ['80', '443'],
          source: { cidrs: ['0.0.0.0/0'] },
          action: 'allow',
        },
        {
          family: 'ipv4',
          protocol: 'icmp',
          icmp: { type: 8, code: 0 },
          source: { groups: ['ops'], self: true },
          action: 'deny',
          enabled: false,
        },
      ],
      outbound: [{ family: 'ipv6', protocol: 47, action: 'deny' }],
    }),
  ],
} as const

/** A task as the agent answers it. */
export function taskOf(fields: Partial<Task> = {}): Task {
  return operations.getTask.answer.parse({
    id: '01task',
    verb: 'apply',
    targets: [
      { kind: 'DistributedSwitch', name: 'dvs0' },
      { kind: 'VirtualMachine', name: 'web-1' },
    ],
    state: 'succeeded',
    progress: { done: 2, total: 2, text: 'done' },
    createdAtMs: NOW_MS - HOUR_MS,
    ...fields,
  })
}

const events = [4, 5, 6].map((sequence) => ({
  sequence,
  atMs: NOW_MS - HOUR_MS,
  type: 'resource.enforced',
  severity: sequence === 5 ? 'warning' : 'notice',
  subject:
    sequence === 6
      ? { kind: 'Port', name: 'web-1.eth0' }
      : { kind: 'VirtualMachine', name: 'web-1' },
  message: `number ${sequence}`,
}))

/** Everything the agent of the samples answers. */
export const routes: Routes = {
  'GET /v1/virtual-machines': [200, { items: samples.machines }],
  'GET /v1/virtual-machines/web-1': [200, samples.machines[0]],
  'GET /v1/ports': [200, { items: samples.ports }],
  'GET /v1/port-groups': [200, { items: samples.portGroups }],
  'GET /v1/distributed-switches': [200, { items: samples.switches }],
  'GET /v1/security-groups': [200, { items: samples.groups }],
  'GET /v1/security-groups/web': [200, samples.groups[0]],
  'GET /v1/security-groups/web/members': [
    200,
    operations.listMembers.answer.parse({
      items: [{ nic: 'web-1/eth0', ipv4: ['10.77.0.50'], ipv6: ['fd77::50'] }],
    }),
  ],
  'GET /v1/volumes': [200, { items: [] }],
  'PUT /v1/security-groups/web': [202, taskOf({ verb: 'put' })],
  'GET /v1/tasks': [200, operations.listTasks.answer.parse({ items: [taskOf()] })],
  'GET /v1/tasks/01task': [200, taskOf()],
  'GET /v1/events': [
    200,
    events.map((event) => `id: ${event.sequence}\ndata: ${JSON.stringify(event)}\n\n`).join(''),
  ],
  'GET /v1/alerts': [
    200,
    operations.listAlerts.answer.parse({
      items: [
        {
          id: 'PUR_OVS_UNREACHABLE/Host/h1',
          code: 'PUR_OVS_UNREACHABLE',
          severity: 'critical',
          subject: { kind: 'Host', name: 'h1' },
          message: 'no answer',
          raisedAtMs: NOW_MS - HOUR_MS,
        },
      ],
    }),
  ],
  'GET /v1/doctor': [
    200,
    operations.doctor.answer.parse({
      findings: [
        { check: 'virtualization', status: 'ok', found: 'KVM' },
        { check: 'clock', status: 'problem', found: 'not set', advice: 'set it' },
      ],
    }),
  ],
  'GET /healthz': [
    503,
    operations.health.answer.parse({
      status: 'degraded',
      version: '0.1.0',
      host: 'h1',
      uptimeSeconds: 1,
      lanes: [],
    }),
  ],
  'POST /v1/explain/packet': [
    200,
    operations.explainPacket.answer.parse({
      verdict: 'allow',
      decidedBy: { type: 'rule', group: 'web', priority: 0 },
      ends: [
        {
          nic: 'web-1/eth0',
          direction: 'inbound',
          verdict: 'allow',
          decidedBy: { type: 'rule', group: 'web', priority: 0 },
          walk: [
            { group: 'ops', priority: 0, matched: false, why: 'port 80 is not 22' },
            { group: 'web', priority: 0, matched: true, why: 'every field fits' },
          ],
        },
      ],
      sentence: 'allowed: rule 0 of web lets it in',
    }),
  ],
  'POST /v1/virtual-machines/web-1/stop': [202, taskOf({ verb: 'stop' })],
  'POST /v1/virtual-machines/web-1/reboot': [202, taskOf({ verb: 'reboot' })],
  'GET /v1/foreign-machines': [
    200,
    {
      items: [
        {
          ...{ host: 'h1', name: 'old-db', uuid: '6b1c6f4e-0000-4000-8000-000000000001' },
          ...{ powerState: 'running', cpus: 2, memoryMiB: 4096 },
        },
      ],
    },
  ],
  'GET /v1/virtual-machines/web-1/guest/interfaces': [
    200,
    {
      items: [
        { name: 'lo', addresses: [{ family: 'ipv4', address: '127.0.0.1', prefixLength: 8 }] },
        { name: 'eth0', mac: '52:54:00:00:00:01', addresses: [] },
      ],
    },
  ],
  'POST /v1/virtual-machines/web-1/guest/read-file': [
    200,
    { contentBase64: Buffer.from('web-1\n').toString('base64'), complete: false },
  ],
  'POST /v1/virtual-machines/web-1/guest/freeze': [
    200,
    { filesystems: 2, thawAtMs: NOW_MS + 5_000 },
  ],
  'POST /v1/virtual-machines/web-1/guest/thaw': [200, { filesystems: 2 }],
  'POST /v1/virtual-machines/web-1/guest/set-time': [200, {}],
  'POST /v1/virtual-machines/web-1/pause': problem(
    409,
    'PUR_VIRT_POWER',
    'pause of machine web-1: it is stopped; possible now: start',
  ),
  'POST /v1/virtual-machines/web-1/exec': [200, { exitCode: 7, stdout: 'out\n', stderr: 'err\n' }],
  'GET /v1/tokens': [200, { items: [{ name: 'ci', role: 'viewer', createdAtMs: NOW_MS }] }],
  'POST /v1/tokens': [200, { name: 'ci', role: 'viewer', token: 'purlin_secret' }],
  'DELETE /v1/tokens/ci': [200, {}],
  'GET /v1/state/backup': [200, 'the state'],
  'POST /v1/state/restore': [202, taskOf({ verb: 'restore' })],
}
