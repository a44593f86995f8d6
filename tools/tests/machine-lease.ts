/** Two hosts with a libvirtd each, one etcd, and one machine that goes between them; ends well when
 *  it was never on both. It runs in a private host, by machine-lease.long.test.ts. */
import assert from 'node:assert/strict'
import { Fabric } from '../test/fleet/open-vswitch.ts'
import { FleetRig } from '../test/fleet/rig.ts'
import { cutPower, processesOn, startFleetLibvirtd, TwiceWatch, until } from './fleet-libvirtd.ts'

const machine = (host: string) => ({
  kind: 'VirtualMachine',
  name: 'web-1',
  spec: { cpus: 1, memoryMiB: 128, image: 'probe', host, stopGraceSeconds: 0, display: 'none' },
})

async function goBetween(): Promise<void> {
  await using rig = await FleetRig.start({ hosts: 2 })
  const [a, b] = [rig.host(0), rig.host(1)]
  // Without a switch a host does not know whether a machine has left, and nothing is taken away.
  await using stack = new AsyncDisposableStack()
  stack.adopt(await Fabric.start(rig.folder, rig.hosts), (fabric) => fabric.stop())
  for (const host of [a, b]) await startFleetLibvirtd(host)
  await rig.startAgents()
  const reason = async (from = a): Promise<string | undefined> =>
    (await from.client.virtualMachines.get('web-1')).status.conditions[0]?.reason
  await using watch = new TwiceWatch('web-1')
  const runsOn = (host: typeof a) => async (): Promise<boolean> =>
    (await processesOn(host, 'web-1')).length > 0

  await a.client.apply([machine('host-a')])
  await until('it runs on a', runsOn(a))
  await a.client.apply([machine('host-b')])
  await until('it runs on b', runsOn(b))
  assert.deepEqual(await processesOn(a, 'web-1'), [])

  await assert.rejects(a.client.fleet.fenceHost('host-b'), { code: 'PUR_RESOURCE_IN_USE' })

  // The agent of b is gone and its machine runs on: nobody else starts it.
  await b.stopAgent('SIGKILL')
  await a.client.apply([machine('host-a')])
  await until('a waits for b', async () => (await reason()) === 'LeasedElsewhere')
  assert.equal((await processesOn(b, 'web-1')).length, 1)
  assert.deepEqual(await processesOn(a, 'web-1'), [])

  // Now b is off, and somebody says so.
  await cutPower(b, 'web-1')
  await until('b is known to be away', async () => {
    const fenced = await a.client.fleet.fenceHost('host-b').catch(() => undefined)
    return fenced?.machines.join() === 'web-1'
  })
  await until('it runs on a', runsOn(a))

  // b comes back, still with its definition of the machine: it leaves that and starts nothing.
  await b.startAgent()
  await until('b is done', async () => (await reason(b)) === 'Running')
  assert.deepEqual(await processesOn(b, 'web-1'), [])

  // The store is away: what goes off stays off, and comes back with it.
  rig.etcd?.pause(0)
  await until('a knows', async () => (await a.client.health({ attempts: 1 })).status === 'degraded')
  await cutPower(a, 'web-1')
  await until('libvirt has seen it', async () => (await reason()) !== 'Running')
  assert.deepEqual(await processesOn(a, 'web-1'), [])
  rig.etcd?.resume(0)
  await until('it runs on a again', runsOn(a))

  assert.equal(watch.count, 0)
}

await goBetween()
