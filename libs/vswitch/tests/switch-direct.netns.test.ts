import test from 'ava'
import { type Flow, outsideOf, type PortDesired } from '../src/index.ts'
import { until } from './support/host.ts'
import { type Rig, type RigHost, startRig } from './support/rig.ts'
import type { RigMachine } from './support/rig-machine.ts'
import { addressOf, fleetDesired, fleetPort, startMachineOn } from './support/rig-scenario.ts'

let rig: Rig
let one: RigHost
let a: RigMachine

test.before(async () => {
  rig = await startRig(['one', 'two'], 1)
  const [first] = rig.hosts
  if (first === undefined) throw new Error('hosts were started')
  one = first
})

test.after.always(async () => {
  await rig?.stop()
})

const direct = fleetPort(1, 100, { path: 'direct' })
const filterable = fleetPort(2, 100)

/** Flows that let everything pass between the direct port and VLAN 100 outside. */
function openFlows({ devices, mac, vlan }: PortDesired): readonly Flow[] {
  const outside = outsideOf('dvs0')
  const tagged = { field: 'vlan_vid', value: 0x1000n | BigInt(vlan) } as const
  return [
    {
      ...{ table: 0, priority: 10, origin: 'test/out' },
      match: [{ field: 'in_port', value: devices.tap }],
      actions: [
        { do: 'tag', vlan },
        { do: 'output', port: outside },
      ],
    },
    {
      ...{ table: 0, priority: 10, origin: 'test/in' },
      match: [{ field: 'in_port', value: outside }, tagged],
      actions: [{ do: 'untag' }, { do: 'output', port: devices.tap }],
    },
  ].map((flow) => ({ ...flow, origin: `${flow.origin}/${mac}` })) as readonly Flow[]
}

const withFlows = (flows: readonly Flow[]) =>
  fleetDesired({}, [direct, filterable], { directFlows: { dvs0: flows } })

test.serial('a direct port without flows is closed; its flows stand before its tap', async (t) => {
  await one.settle(withFlows([]))
  a = await startMachineOn(one, 1, 'direct')
  await startMachineOn(one, 2)
  t.deepEqual(await one.order('facts'), ['nic/vm-1.eth0/plugged', 'nic/vm-2.eth0/plugged'])
  t.false(await a.reaches(addressOf(2), 1_000))
  t.notRegex(await one.vsctl('list-ports', 'dvs0'), /ptap-/)
})

test.serial('flows let a direct and a filterable port of one VLAN reach each other', async (t) => {
  const desired = withFlows(openFlows(direct))
  await one.settle(desired)
  t.deepEqual(await one.plan(desired), [])
  t.true(await a.reaches(addressOf(2)))
})

test.serial(
  'deleted flows of direct ports are mended by event, and never open meanwhile',
  async (t) => {
    const desired = withFlows(openFlows(direct))
    await one.watch(desired)
    const bridges = (await one.vsctl('list-br')).split('\n')
    const bridge = bridges.find((name) => name.startsWith('pdir-')) ?? ''
    await one.ofctl('del-flows', bridge)
    const tookMs = await until(async () => (await one.plan(desired)).length === 0)
    t.log(`mended after ${Math.round(tookMs)} ms`)
    await one.unwatch()
    t.true(await a.reaches(addressOf(2)))
    t.is(await one.vsctl('get', 'bridge', bridge, 'fail_mode'), 'secure')
  },
)

test.serial('a port that becomes filterable leaves no part behind', async (t) => {
  await one.settle(fleetDesired({}, [filterable]))
  t.is(await one.vsctl('list-br'), 'dvs0')
})
