import test from 'ava'
import type { MirrorDesired } from '../src/index.ts'
import { datapath } from './support/datapath.ts'
import { until } from './support/host.ts'
import { type Rig, type RigHost, startRig } from './support/rig.ts'
import type { RigMachine } from './support/rig-machine.ts'
import { addressOf, fleetDesired, fleetPort, startMachineOn } from './support/rig-scenario.ts'

let rig: Rig
let one: RigHost
let two: RigHost
let a: RigMachine
let watcher: RigMachine

test.before(async () => {
  rig = await startRig(['one', 'two'], 1)
  const [first, second] = rig.hosts
  if (first === undefined || second === undefined) throw new Error('two hosts were started')
  one = first
  two = second
})

test.after.always(async () => {
  await rig?.stop()
})

const ports = [fleetPort(1, 100), fleetPort(2, 100), fleetPort(3, 300)]
const mirror: MirrorDesired = {
  name: 'watch-1',
  switch: 'dvs0',
  ports: ['vm-1.eth0'],
  direction: 'both',
  to: { port: 'vm-3.eth0' },
}

async function seenBy(machine: RigMachine, work: () => Promise<unknown>): Promise<number> {
  const before = (await machine.counted()).received
  await work()
  return (await machine.counted()).received - before
}

test.serial('a port is mirrored to a port of the same host, and to no other', async (t) => {
  await one.settle(fleetDesired({}, ports, { mirrors: [mirror] }))
  a = await startMachineOn(one, 1)
  const b = await startMachineOn(one, 2)
  watcher = await startMachineOn(one, 3)
  const traffic = async (): Promise<unknown> => await a.reaches(addressOf(2))
  // A SYN and a reset at least, each with its answer to who has the address.
  t.true((await seenBy(watcher, traffic)) >= 2 * 54, 'both directions')
  const from: MirrorDesired = { ...mirror, direction: 'inbound' }
  await one.settle(fleetDesired({}, ports, { mirrors: [from] }))
  t.true((await seenBy(watcher, traffic)) >= 54)
  t.true(await b.reaches(addressOf(1)))
  await one.settle(fleetDesired({}, ports))
  // What the datapath knows of running flows is put right within a moment.
  await until(async () => (await seenBy(watcher, traffic)) === 0)
  t.is(await one.vsctl('list', 'mirror'), '')
})

test.serial('a port is mirrored to a tunnel that ends elsewhere', async (t) => {
  const overlay = {
    ...{ type: 'vxlan' as const, udpPort: 4789, underlay: '192.0.2.1/24' },
    ...{ peers: [], networks: [], stations: [] },
  }
  const far: MirrorDesired = { ...mirror, to: { tunnel: 'gre', address: '192.0.2.2', key: 9 } }
  const desired = fleetDesired({ overlay }, ports, { mirrors: [far] })
  await one.settle(desired)
  t.deepEqual(await one.plan(desired), [])
  // The other host has an end of its own that is not ours.
  const bridge = ['--', 'set', 'bridge', 'phy', `datapath_type=${datapath}`]
  await two.vsctl('add-br', 'phy', ...bridge, '--', 'add-port', 'phy', 'up0')
  await two.command('ip', 'address', 'add', '192.0.2.2/24', 'dev', 'phy')
  await two.command('ip', 'link', 'set', 'phy', 'up')
  const end = ['type=gre', 'options:remote_ip=192.0.2.1', 'options:key=9']
  const probe = ['--', 'set', 'bridge', 'probe', `datapath_type=${datapath}`]
  const made = ['--', 'set', 'interface', 'end0', ...end]
  await two.vsctl('add-br', 'probe', ...probe, '--', 'add-port', 'probe', 'end0', ...made)
  await until(async () => {
    await a.reaches(addressOf(2), 500)
    const ports = await two.ofctl('dump-ports', 'probe', 'end0')
    return Number(/rx pkts=(\d+)/.exec(ports)?.[1] ?? 0) >= 2
  }, 20_000)
  await one.settle(fleetDesired({}, ports))
  t.notRegex(await one.vsctl('list-ports', 'dvs0'), /^pmi-/m)
})

test.serial('traffic is told of by sFlow and IPFIX as wanted, and no longer', async (t) => {
  const sflow = {
    ...{ protocol: 'sflow' as const, collectors: ['127.0.0.1:6343'] },
    ...{ sampling: 64, counterSeconds: 10 },
  }
  const desired = fleetDesired({ flowExport: sflow }, ports)
  await one.settle(desired)
  t.deepEqual(await one.plan(desired), [])
  t.regex(await one.vsctl('list', 'sflow'), /sampling +: 64/)
  const ipfix = { ...sflow, protocol: 'ipfix' as const, collectors: ['127.0.0.1:4739'] }
  await one.settle(fleetDesired({ flowExport: ipfix }, ports))
  t.is(await one.vsctl('list', 'sflow'), '')
  t.regex(await one.vsctl('list', 'ipfix'), /127\.0\.0\.1:4739/)
  await one.settle(fleetDesired({}, ports))
  t.is(await one.vsctl('list', 'ipfix'), '')
})
