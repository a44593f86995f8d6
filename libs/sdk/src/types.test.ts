import type {
  BareMetalKind,
  ChassisStatus,
  Event,
  InstallMediaStatus,
  MachinePower,
  Resource,
  Task,
} from '@purlin/schema'
import test from 'ava'
import type {
  BareMetalClient,
  Client,
  Collection,
  Machine,
  MachineIn,
  ReadCollection,
  TaskHandle,
} from './index.ts'

type Stopping = 'stop' | 'destroy' | 'console' | 'screen'
type Common = 'name' | 'power' | 'resource' | 'refresh'

type Same<A, B> = (<T>() => T extends A ? 1 : 2) extends <T>() => T extends B ? 1 : 2 ? true : false

/** Holds when it compiles. */
function same<A, B>(answer: Same<A, B>): Same<A, B> {
  return answer
}

test('each kind has its own types under its own name', (t) => {
  type Get<K extends keyof Client> = Client[K] extends { get(name: string): Promise<infer R> }
    ? R
    : never
  t.true(same<Get<'securityGroups'>, Resource<'SecurityGroup'>>(true))
  t.true(same<Get<'distributedSwitches'>, Resource<'DistributedSwitch'>>(true))
  t.true(same<Client['ports'], ReadCollection<'Port'>>(true))
  t.true(same<Client['topologies'], Collection<'Topology'>>(true))
  t.true(same<ReturnType<TaskHandle['wait']>, Promise<Task>>(true))
  t.false(same<Get<'volumes'>, Resource<'Snapshot'>>(false))
})

test('a machine offers what its state allows, and nothing else compiles', (t) => {
  const right = async (machine: Machine): Promise<void> => {
    if (machine.power === 'stopped') await machine.start()
    if (machine.power === 'running') await machine.reboot({ graceSeconds: 5 })
    if (machine.power === 'suspended') await machine.resume()
    if (machine.power === 'paused') (await machine.console({ force: true })).write('a')
    // @ts-expect-error Nobody writes to the console of a machine that is off.
    if (machine.power === 'stopped') await machine.console()
    machine.power satisfies MachinePower
    const again = await machine.refresh()
    // @ts-expect-error Nothing is known of its state.
    await again.start()
    // @ts-expect-error A running machine is not started.
    if (machine.power === 'running') await machine.start()
    // @ts-expect-error There is no guest to reboot.
    if (machine.power === 'stopped') await machine.reboot()
    // @ts-expect-error A guest that stands still hears nothing.
    if (machine.power === 'paused') await machine.reboot()
    // @ts-expect-error It has no memory to save.
    if (machine.power === 'stopped') await machine.suspend()
    // @ts-expect-error Nobody is asked before a reset.
    if (machine.power === 'running') await machine.reset({ graceSeconds: 5 })
  }
  t.is(typeof right, 'function')
  t.true(same<Exclude<keyof MachineIn<'stopped'>, Common>, 'start'>(true))
  t.true(same<Exclude<keyof MachineIn<'absent'>, Common>, never>(true))
  t.true(same<Exclude<keyof MachineIn<'stopping'>, Common>, Stopping>(true))
})

test('kinds of bare metal are typed, with their status, and are not of a host’s client', (t) => {
  type Get<K extends keyof BareMetalClient> = BareMetalClient[K] extends {
    get(name: string): Promise<infer R>
  }
    ? R
    : never
  t.true(same<Get<'bareMetalInstances'>, Resource<'BareMetalInstance'>>(true))
  t.true(same<Get<'chassis'>['status'], ChassisStatus>(true))
  t.true(same<Get<'installMedia'>['status'], InstallMediaStatus>(true))
  t.true(same<Extract<keyof Client, 'chassis' | 'installMedia' | 'secrets'>, never>(true))
  t.true(same<Extract<keyof BareMetalClient, 'virtualMachines' | 'fleet'>, never>(true))
  t.true(same<ReturnType<BareMetalClient['resources']>, Collection<BareMetalKind>>(true))
})

test('what does not fit a chassis does not compile', (t) => {
  const wrong = async (client: BareMetalClient): Promise<void> => {
    await client.chassis.setPower('c1', 'soft', { deadlineMs: 60_000, otherwise: 'off' })
    // @ts-expect-error There is no such action.
    await client.chassis.setPower('c1', 'explode')
    // @ts-expect-error There is no such state.
    await client.chassis.waitFor('c1', 'running')
    // @ts-expect-error A rescue needs its keys.
    await client.chassis.rescue('c1')
    // @ts-expect-error Disks are emptied quickly or fully.
    await client.bareMetalInstances.release('db-1', { erase: 'twice' })
    // @ts-expect-error A source is a medium or an image.
    await client.deploymentTemplates.check('db', { chassis: 'c1', source: { iso: 'x' } })
    for await (const one of client.chassis.console('c1')) {
      if (one.kind === 'output') one.bytes satisfies Uint8Array
      // @ts-expect-error Only output has bytes of the console.
      else one.base64 satisfies string
    }
    const { life } = (await client.chassis.waitForRest('c1')).status
    if (life?.state === 'failed') life.failure?.cause satisfies string | undefined
  }
  t.is(typeof wrong, 'function')
})

test('what does not fit a kind does not compile', (t) => {
  const wrong = async (client: Client): Promise<void> => {
    await client.portGroups.put({ kind: 'PortGroup', name: 'prod', spec: { switch: 'dvs0' } })
    // @ts-expect-error The kind of the manifest is not the collection's.
    await client.portGroups.put({ kind: 'SecurityGroup', name: 'web', spec: {} })
    // @ts-expect-error A port group needs its switch.
    await client.portGroups.put({ kind: 'PortGroup', name: 'prod', spec: {} })
    // @ts-expect-error Ports are written by the agent alone.
    await client.ports.put({})
    const rule = { family: 'ipv4', protocol: 'tcp', action: 'allow' } as const
    await client.securityGroups.insertRule('web', 'inbound', { ...rule, source: { self: true } }, 0)
    // @ts-expect-error An outbound rule has a destination, no source.
    await client.securityGroups.addRule('web', 'outbound', { ...rule, source: { self: true } })
    // @ts-expect-error There is no such direction.
    await client.securityGroups.deleteRule('web', { direction: 'sideways', priority: 0 })
    await client.securityGroups.modifyRule('web', 'r-7f3k2m9q', { ports: null })
    // @ts-expect-error An id stays for good.
    await client.securityGroups.modifyRule('web', 'r-7f3k2m9q', { id: 'other' })
    // @ts-expect-error There is no such form.
    await client.securityGroups.exportRules('web', 'xml')
    // @ts-expect-error A command is an array, not a line for a shell.
    await client.virtualMachines.exec('web-1', 'ls -l')
    // @ts-expect-error The protocol has no such name.
    await client.explainPacket({ from: 'a', to: 'b', protocol: 'http' })
    for await (const event of client.events()) event satisfies Event
    for await (const { done, total } of await client.apply([])) (done + total) satisfies number
  }
  t.is(typeof wrong, 'function')
})
