import { createVirtualClock, PurlinError } from '@purlin/base'
import test from 'ava'
import { createFakeLibvirt } from '../../tests/support/fake-libvirt.ts'
import { machineOf } from '../../tests/support/machines.ts'
import { domainXml } from '../domain/xml.ts'
import type { LibvirtEvent } from '../port/event.ts'
import type { LibvirtPort } from '../port/libvirt-port.ts'
import { type RebootEvent, rebootMachine, rebootStates } from './reboot.ts'

const CELLS: Readonly<Record<string, Readonly<Record<RebootEvent, string>>>> = {
  asked: {
    restarted: 'restarted',
    late: 'reset',
    refused: 'reset',
    gone: 'ended',
    lost: 'uncertain',
  },
  reset: {
    restarted: 'restarted',
    late: 'uncertain',
    refused: 'ended',
    gone: 'ended',
    lost: 'uncertain',
  },
}

for (const state of rebootStates.states) {
  for (const event of rebootStates.events) {
    const wanted = CELLS[state]?.[event]
    test(`${state}, ${event}: ${wanted ?? 'not possible'}`, (t) => {
      if (wanted === undefined) {
        t.throws(() => rebootStates.next(state, event), { code: 'PUR_STATE_ILLEGAL' })
      } else t.is(rebootStates.next(state, event), wanted as typeof state)
    })
  }
}

const aboutA = { domain: 'a', uuid: 'u' }
const restarted: LibvirtEvent = { kind: 'reboot', ...aboutA }
const stopped: LibvirtEvent = { kind: 'lifecycle', ...aboutA, event: 'stopped', detail: 0 }
const lost: LibvirtEvent = { kind: 'connection', state: 'lost', reason: 'gone' }

interface Course {
  /** What libvirt says right after each call. */
  readonly afterReboot?: LibvirtEvent
  readonly afterReset?: LibvirtEvent
  readonly failure?: Partial<Record<'reboot' | 'reset', PurlinError>>
  readonly graceMs?: number
}

/** Reboots `a`, with time passing at once; the calls, and the answer or the code of the error. */
async function course(of: Course): Promise<{ calls: readonly string[]; end: string }> {
  const fake = createFakeLibvirt()
  fake.add(domainXml(machineOf('a')), true)
  fake.calls.length = 0
  const clock = createVirtualClock()
  const saying =
    (verb: 'reboot' | 'reset', event: LibvirtEvent | undefined): LibvirtPort['reset'] =>
    async (name, call) => {
      await fake.port[verb](name, call)
      const failure = of.failure?.[verb]
      if (failure !== undefined) throw failure
      fake.emit({ kind: 'reboot', domain: 'other', uuid: 'o' })
      if (event !== undefined) fake.emit(event)
    }
  const port: LibvirtPort = {
    ...fake.port,
    reboot: saying('reboot', of.afterReboot),
    reset: saying('reset', of.afterReset),
  }
  const { signal } = new AbortController()
  const end = rebootMachine(port, clock, 'a', { graceMs: of.graceMs ?? 5_000, signal }).catch(
    (thrown: PurlinError) => thrown.code,
  )
  await clock.advance(60_000)
  return { calls: fake.calls, end: await end }
}

test('a guest that listens starts anew by itself, and is not reset', async (t) => {
  const { calls, end } = await course({ afterReboot: restarted })
  t.deepEqual(calls, ['reboot a'])
  t.is(end, 'by-guest')
})

test('a guest that does not listen, or cannot be asked, is reset', async (t) => {
  const refused = new PurlinError('PUR_VIRT_REFUSED', { message: 'paused' })
  for (const failure of [undefined, refused]) {
    const { calls, end } = await course({
      afterReset: restarted,
      ...(failure && { failure: { reboot: failure } }),
    })
    t.deepEqual(calls, ['reboot a', 'reset a'])
    t.is(end, 'by-reset')
  }
  t.deepEqual(await course({ afterReset: restarted, graceMs: 0 }), {
    calls: ['reset a'],
    end: 'by-reset',
  })
})

test('a machine that went off meanwhile is not reset', async (t) => {
  const { calls, end } = await course({ afterReboot: stopped })
  t.deepEqual(calls, ['reboot a'])
  t.is(end, 'PUR_VIRT_POWER')
})

test('where events may have been lost nothing is done twice, and the error says so', async (t) => {
  const gone = new PurlinError('PUR_VIRT_UNREACHABLE', { message: 'gone' })
  for (const [of, calls] of [
    [{ afterReboot: lost }, ['reboot a']],
    [{ afterReboot: { kind: 'missed', count: 1 } }, ['reboot a']],
    [{ failure: { reboot: gone } }, ['reboot a']],
    [{ failure: { reset: gone } }, ['reboot a', 'reset a']],
    [{}, ['reboot a', 'reset a']],
  ] as readonly (readonly [Course, readonly string[]])[]) {
    const ended = await course(of)
    t.deepEqual(ended, { calls, end: 'PUR_VIRT_UNCERTAIN' })
  }
})

test('who is told of the reset before may stop it', async (t) => {
  const fake = createFakeLibvirt()
  fake.add(domainXml(machineOf('a')), true)
  const clock = createVirtualClock()
  const { signal } = new AbortController()
  const rebooting = rebootMachine(fake.port, clock, 'a', {
    graceMs: 1_000,
    signal,
    onState: async (state) => {
      if (state === 'reset') throw new PurlinError('PUR_CANCELLED', { message: 'given up' })
    },
  })
  const failed = t.throwsAsync(rebooting, { code: 'PUR_CANCELLED' })
  await clock.advance(2_000)
  await failed
  t.deepEqual(fake.calls, ['reboot a'])
})
