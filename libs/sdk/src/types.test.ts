import type { Event, Resource, Task } from '@purlin/schema'
import test from 'ava'
import type { Client, Collection, ReadCollection, TaskHandle } from './index.ts'

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
  t.true(same<Get<'bareMetalInstances'>, Resource<'BareMetalInstance'>>(true))
  t.true(same<Client['ports'], ReadCollection<'Port'>>(true))
  t.true(same<Client['topologies'], Collection<'Topology'>>(true))
  t.true(same<ReturnType<TaskHandle['wait']>, Promise<Task>>(true))
  t.false(same<Get<'volumes'>, Resource<'Snapshot'>>(false))
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
