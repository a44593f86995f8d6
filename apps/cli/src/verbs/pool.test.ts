import { hostHardware, operations, storedSchemaOf } from '@purlin/schema'
import test from 'ava'
import { fixedAgent, problem } from '../../tests/agent.ts'
import { NOW_MS, run } from '../../tests/run.ts'
import { testLines } from '../../tests/shown.ts'

const throughput = {
  ...{ diskReadBytesPerSecond: 5_242_880, diskWriteBytesPerSecond: 1_024 },
  ...{ netReceivedBitsPerSecond: 9_420_000, netSentBitsPerSecond: 1_500 },
}
const hostPool = {
  ...{ host: 'one', present: true, machines: 3, activeMachines: 2 },
  cpus: { total: 8, limit: 32, reserved: 12, overcommitted: 4, used: 6.8 },
  memoryMiB: { total: 16_384, limit: 15_872, reserved: 4_096, overcommitted: 0, used: 6_144 },
  devices: { numaNodes: 2, disks: 2, diskBytes: 2 ** 40, nics: 1, gpus: 1 },
  use: {
    ...{ measuredAtMs: NOW_MS, cpus: 6.8, memoryMiB: 6_144, load: 7.25, ...throughput },
    ...{ cpuPressure: 12.5, memoryPressure: 0, numa: [{ node: 0, freeMiB: 2_048 }] },
  },
}
const away = {
  ...{ host: 'two', present: false, machines: 0, activeMachines: 0 },
  cpus: { total: 4, limit: 16, reserved: 0, overcommitted: 0 },
  memoryMiB: { total: 8_192, limit: 7_680, reserved: 0, overcommitted: 0 },
}

const ready = (status: string, reason: string) => ({
  ...{ type: 'Ready', status, reason, message: 'as told', sinceMs: NOW_MS },
})
const hostOf = (name: string, pool: object, condition: object) =>
  storedSchemaOf('Host').parse({
    ...{ kind: 'Host', name, uid: `host-${name}`, generation: 1, revision: 1, createdAtMs: 0 },
    spec: { addresses: ['192.0.2.1'], version: '0.1.0' },
    status: { observedGeneration: 1, conditions: [condition], lastSeenMs: NOW_MS, pool },
  })
const one = hostOf('one', hostPool, ready('true', 'Present'))
const two = hostOf('two', away, ready('false', 'Away'))

const free = { serial: 'S1', sizeBytes: 2 ** 39, removable: false, readOnly: false, users: [] }
const device = (address: string, more: object) => ({
  ...{ address, class: '020000', vendorId: '8086', deviceId: '1572', users: [], ...more },
})
const hardware = hostHardware.parse({
  ...{ host: 'one', readAtMs: NOW_MS, memoryMiB: 16_384 },
  cpu: { architecture: 'x86_64', model: 'A Processor', sockets: 2, cores: 4, threads: 8 },
  numa: [
    {
      ...{ node: 0, cpus: '0-3', memoryMiB: 8_192, distances: [10, 21] },
      hugePages: [{ sizeKiB: 1_048_576, count: 4 }],
    },
    { node: 1, cpus: '4-7', memoryMiB: 8_192, hugePages: [], distances: [21, 10] },
  ],
  disks: [
    { ...free, name: 'nvme0n1', media: 'ssd', transport: 'nvme', numaNode: 0, users: ['swap'] },
    { ...free, name: 'sda', media: 'hdd', transport: 'sas', model: 'ST8000' },
  ],
  nics: [
    {
      ...{ name: 'ens1f0', mac: '3c:fd:fe:00:00:01', driver: 'i40e', link: true },
      ...{ speedMbps: 10_000, mtu: 9_000, numaNode: 0, users: ['uplink of switch dvs0'] },
    },
  ],
  gpus: [{ pciAddress: '0000:af:00.0', vendor: 'A Maker', model: 'G1', numaNode: 1, users: [] }],
  pci: [
    device('0000:00:01.0', { class: '060400', obstacle: 'it is a bridge of the host' }),
    device('0000:3b:00.0', {
      ...{ driver: 'i40e', iommuGroup: 10, virtualFunctions: { count: 2, most: 64 } },
      obstacle: 'uplink of switch dvs0 over ens1f0 has it',
    }),
    device('0000:3b:02.0', {
      ...{ driver: 'vfio-pci', iommuGroup: 11, physicalFunction: '0000:3b:00.0' },
    }),
    device('0000:af:00.0', { description: 'A Maker G1', iommuGroup: 30 }),
    device('0000:d8:00.0', { obstacle: 'no IOMMU keeps it apart from the host’s memory' }),
  ],
})

const machine = (name: string, cpusUsed: number, more: object = {}) => ({
  ...{ name, host: 'one', foreign: false, active: true, cpus: 2, cpusUsed },
  ...{ memoryMiB: 1_024, memoryUsedMiB: 512, ...throughput },
  ...{ diskReadsPerSecond: 80.5, diskWritesPerSecond: 1, ...more },
})
const pool = operations.showPool.answer.parse({
  fleet: {
    ...{ hosts: 2, presentHosts: 1, machines: 3, activeMachines: 2, devices: hostPool.devices },
    cpus: { total: 12, limit: 48, reserved: 12, overcommitted: 4, used: 6.8 },
    memoryMiB: { total: 24_576, limit: 23_552, reserved: 4_096, overcommitted: 0, used: 6_144 },
  },
  hosts: [hostPool, away],
  machines: [
    machine('db-1', 0.1, { netSentBitsPerSecond: 70_000_000 }),
    machine('off', 0, { active: false }),
    machine('somebody’s', 1.99, { foreign: true, memoryUsedMiB: 2_048 }),
  ],
})

const routes = {
  'GET /v1/hosts': [200, { items: [one, two] }],
  'GET /v1/hosts/one': [200, one],
  'GET /v1/hosts/two': [200, two],
  'GET /v1/hosts/one/hardware': [200, hardware],
  'GET /v1/hosts/two/hardware': problem(503, 'PUR_AGENT_UNREACHABLE', 'host two is away'),
  'GET /v1/pool': [200, pool],
} as const

testLines(routes, [
  'host list',
  'host show one',
  'host show two',
  'top',
  'top --sort net --count 1',
])

test('host list and top are whole in JSON', async (t) => {
  await using agent = await fixedAgent(routes)
  const ask = async (...words: readonly string[]) =>
    JSON.parse((await run(['--socket', agent.socketPath, '-o', 'json', ...words])).stdout)
  t.deepEqual(await ask('top'), pool)
  t.deepEqual((await ask('host', 'list'))[0].status.pool, hostPool)
  t.deepEqual((await ask('host', 'show', 'one')).hardware, hardware)
})

test('on a terminal top writes over itself in colours until it is interrupted; --once ends', async (t) => {
  await using agent = await fixedAgent(routes)
  const environment = { PURLIN_SOCKET: agent.socketPath }
  const once = await run(['top', '--once'], { environment, terminal: true })
  t.true(once.stdout.includes('\u001b[33m'), 'a nearly full bar is yellow')
  t.false(once.stdout.includes('\u001b[H'))
  const stop = new AbortController()
  let asked = 0
  await using live = await fixedAgent({
    'GET /v1/pool': () => {
      if (++asked === 3) stop.abort()
      return [200, pool]
    },
  })
  const { stdout } = await run(['top', '--interval', '1'], {
    environment: { PURLIN_SOCKET: live.socketPath },
    terminal: true,
    signal: stop.signal,
  })
  t.true(stdout.split('\u001b[H').length >= 3, 'it was shown again and again')
  t.true(stdout.endsWith('\u001b[J'))
})
