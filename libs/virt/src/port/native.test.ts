import { PurlinError } from '@purlin/base'
import test from 'ava'
import {
  addonError,
  createFakeAddon,
  createFakeClock,
  type FakeAddon,
  type FakeClock,
} from '../../tests/support/fake-addon.ts'
import type { LibvirtEvent } from './event.ts'
import type { LibvirtPort } from './libvirt-port.ts'
import { createNativeLibvirt } from './native.ts'

interface Bench {
  readonly addon: FakeAddon
  readonly clock: FakeClock
  readonly port: LibvirtPort
  readonly events: LibvirtEvent[]
}

function bench(...attempts: FakeAddon['attempts']): Bench {
  const addon = createFakeAddon()
  addon.attempts.push(...attempts)
  const clock = createFakeClock()
  const backoff = { firstMs: 100, longestMs: 500 }
  const port = createNativeLibvirt({ uri: 'fake:///', addon, clock, backoff })
  const events: LibvirtEvent[] = []
  port.onEvent((event) => events.push(event))
  return { addon, clock, port, events }
}

const options = { deadlineMs: 1_000 }

test('the first call waits for the connection', async (t) => {
  const { port } = bench()
  t.is(port.state().connection, 'connecting')
  t.is(await port.hostname(options), 'fake')
  t.is(port.state().connection, 'connected')
})

test('refused attempts are repeated with growing pauses up to the longest', async (t) => {
  const { port, clock, events } = bench('refuse', 'refuse', 'refuse', 'refuse', 'refuse')
  await clock.settle()
  t.deepEqual(clock.pausesMs, [100, 200, 400, 500, 500])
  t.is(port.state().connection, 'connected')
  t.deepEqual(events, [{ kind: 'connection', state: 'connected', reason: 'fake:///' }])
})

test('a call during an attempt that fails says why', async (t) => {
  const { port } = bench('refuse')
  const error = await t.throwsAsync(port.hostname(options), { instanceOf: PurlinError })
  t.is(error.code, 'PUR_VIRT_UNREACHABLE')
  t.is(
    error.message,
    'asking for the host name: libvirtd at fake:/// does not answer: Connection refused',
  )
})

test('a call during an attempt that hangs fails at its own deadline', async (t) => {
  const { port } = bench('hang')
  const error = await t.throwsAsync(port.hostname({ deadlineMs: 20 }), { instanceOf: PurlinError })
  t.is(error.code, 'PUR_VIRT_UNREACHABLE')
  t.regex(error.message, /it took no connection in 20 ms/)
  t.like(port.state(), { connection: 'connecting', stuckCall: { call: 'opening fake:///' } })
  port.close()
})

test('a connection that the daemon ends is told of, closed and opened anew', async (t) => {
  const { port, addon, clock, events } = bench()
  await clock.settle()
  addon.opened[0]?.send({ kind: 'closed', detail: 1 })
  await clock.settle()
  t.true(addon.opened[0]?.closed)
  t.is(addon.opened.length, 2)
  t.is(await port.hostname(options), 'fake')
  t.deepEqual(
    events.map((event) => (event.kind === 'connection' ? event.state : event.kind)),
    ['connected', 'lost', 'connected'],
  )
})

test('a late call is a suspicion, and a small question that is answered clears it', async (t) => {
  const { port, addon, clock } = bench()
  await clock.settle()
  let asked = 0
  addon.hostname = async () => {
    asked += 1
    if (asked === 1) throw addonError('VIR_TIMEOUT', 'no answer within 1000 ms')
    return 'fake'
  }
  const error = await t.throwsAsync(port.hostname(options), { instanceOf: PurlinError })
  t.is(error.code, 'PUR_VIRT_TIMEOUT')
  await clock.settle()
  t.is(asked, 2)
  t.is(addon.opened.length, 1)
})

test('a late call whose probe is late too costs the connection', async (t) => {
  const { port, addon, clock } = bench()
  await clock.settle()
  addon.hostname = async () => {
    throw addonError('VIR_TIMEOUT', 'no answer within 1000 ms')
  }
  await t.throwsAsync(port.hostname(options))
  await clock.settle()
  t.true(addon.opened[0]?.closed)
  t.is(addon.opened.length, 2)
})

test('an error of the socket costs the connection only when libvirt gave it up', async (t) => {
  const { port, addon, clock } = bench()
  await clock.settle()
  addon.hostname = async () => {
    throw addonError('VIR_ERROR', 'connection closed due to keepalive timeout', 1, 7)
  }
  await t.throwsAsync(port.hostname(options))
  await clock.settle()
  t.is(addon.opened.length, 1)
  addon.alive = false
  await t.throwsAsync(port.hostname(options))
  await clock.settle()
  t.is(addon.opened.length, 2)
})

test('a call that is given up is cancelled at once, one that was given up before is not made', async (t) => {
  const { port, addon, clock } = bench()
  await clock.settle()
  let asked = 0
  addon.hostname = () => {
    asked += 1
    return new Promise<never>(() => {})
  }
  const controller = new AbortController()
  const call = port.hostname({ ...options, signal: controller.signal })
  await clock.settle()
  controller.abort()
  const error = await t.throwsAsync(call, { instanceOf: PurlinError })
  t.is(error.code, 'PUR_CANCELLED')
  await t.throwsAsync(port.hostname({ ...options, signal: controller.signal }))
  t.is(asked, 1)
})

test('the state names the oldest call under way', async (t) => {
  const { port, clock } = bench()
  await clock.settle()
  t.deepEqual(port.state().stuckCall, { call: 'start a', ageMs: 90 })
})

test('events that were left out are told of before the next', async (t) => {
  const { addon, clock, events } = bench()
  await clock.settle()
  addon.opened[0]?.send({ kind: 'lifecycle', domain: 'a', uuid: 'u', event: 2, dropped: 7 })
  t.deepEqual(events.slice(1), [
    { kind: 'missed', count: 7 },
    { kind: 'lifecycle', domain: 'a', uuid: 'u', event: 'started', detail: 0 },
  ])
})

test('after close there is no event, no attempt and no call', async (t) => {
  const { port, addon, clock, events } = bench()
  await clock.settle()
  port.close()
  addon.opened[0]?.send({ kind: 'lifecycle', domain: 'a', uuid: 'u', event: 2 })
  addon.opened[0]?.send({ kind: 'closed', detail: 3 })
  await clock.settle()
  t.is(events.length, 1)
  t.is(addon.opened.length, 1)
  t.true(addon.opened[0]?.closed)
  const error = await t.throwsAsync(port.hostname(options), { instanceOf: PurlinError })
  t.is(error.code, 'PUR_VIRT_UNREACHABLE')
  t.is(port.state().connection, 'closed')
})
