import { createVirtualClock, PurlinError } from '@purlin/base'
import type { BootHost, BootService } from '@purlin/boot-service'
import type { SpecOf } from '@purlin/schema'
import test from 'ava'
import { BootNetwork } from './boot-network.ts'

const spec: SpecOf<'DeploymentNetwork'> = {
  interface: 'deploy0',
  subnet: { cidr: '10.88.0.0/24', from: '10.88.0.100', to: '10.88.0.199' },
  enrolUnknown: false,
}
const host: BootHost = { mac: '52:54:00:88:00:07', address: '10.88.0.100', name: 'rack1-u07' }

function rig(refusals = 0) {
  const clock = createVirtualClock(1_700_000_000_000)
  const calls: string[] = []
  let left = refusals
  const changes = { count: 0 }
  const network = new BootNetwork({
    clock,
    open: async (wanted) => {
      if (left-- > 0) {
        calls.push('refused')
        throw new PurlinError('PUR_BOOT_INTERFACE', { message: 'no deploy0' })
      }
      calls.push(`open ${wanted.interface}`)
      return {
        setHosts: async (hosts: readonly BootHost[]) => void calls.push(`hosts ${hosts.length}`),
        setEnrol: async (open: boolean) => void calls.push(`enrol ${open}`),
        close: async () => void calls.push('close'),
        status: () => ({ foreignServers: [] }),
      } as unknown as BootService
    },
    changed: () => {
      changes.count += 1
    },
  })
  const settle = async (): Promise<void> => {
    for (let round = 0; round < 20; round++) await new Promise((resolve) => setImmediate(resolve))
  }
  return { clock, calls, network, settle }
}

test('a network is opened once, told its machines, and asked nothing again while all is the same', async (t) => {
  const { calls, network, settle } = rig()
  network.want({ spec, hosts: [host] })
  await settle()
  t.deepEqual(calls, ['open deploy0', 'hosts 1'])
  t.is(network.standing().state, 'serving')
  network.want({ spec: { ...spec }, hosts: [{ ...host }] })
  network.want({ spec, hosts: [] })
  await settle()
  t.deepEqual(calls.slice(2), ['hosts 0'])
  network.want(undefined)
  await settle()
  t.deepEqual(calls.slice(3), ['close'])
  t.is(network.standing().state, 'closed')
})

test('another subnet or interface is another service; the enrol window alone is not', async (t) => {
  const { calls, network, settle } = rig()
  network.want({ spec, hosts: [host] })
  await settle()
  network.want({ spec: { ...spec, enrolUnknown: true }, hosts: [host] })
  await settle()
  t.deepEqual(calls.slice(2), ['enrol true'])
  network.want({ spec: { ...spec, interface: 'deploy1' }, hosts: [host] })
  await settle()
  t.deepEqual(calls.slice(3), ['close', 'open deploy1', 'hosts 1'])
})

test('what cannot be opened says why and is tried again by itself', async (t) => {
  const { calls, network, settle, clock } = rig(2)
  network.want({ spec, hosts: [] })
  await settle()
  t.like(network.standing(), { state: 'failed', error: { code: 'PUR_BOOT_INTERFACE' } })
  await clock.advance(5_000)
  await settle()
  await clock.advance(5_000)
  await settle()
  t.deepEqual(calls, ['refused', 'refused', 'open deploy0'])
  t.is(network.standing().state, 'serving')
  t.is(network.standing().error, undefined)
})

test('an enrol window of minutes closes by itself', async (t) => {
  const { calls, network, settle, clock } = rig()
  network.want({ spec, hosts: [], enrolUntilMs: clock.nowMs() + 60_000 })
  await settle()
  t.deepEqual(calls, ['open deploy0', 'enrol true'])
  await clock.advance(60_000)
  await settle()
  t.deepEqual(calls.slice(2), ['enrol false'])
})
