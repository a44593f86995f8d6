import { setImmediate as turn } from 'node:timers/promises'
import type { Clock } from '@purlin/base'
import type { Addon, AddonConnection, AddonEvent } from '../../src/port/addon.ts'

export interface FakeConnection extends AddonConnection {
  closed: boolean
  readonly send: (event: Partial<AddonEvent> & Pick<AddonEvent, 'kind'>) => void
}

export interface FakeAddon extends Addon {
  /** Every connection that was opened, in order. */
  readonly opened: FakeConnection[]
  /** What the attempts to open do; after the last one they succeed. */
  readonly attempts: ('refuse' | 'hang' | 'open')[]
  /** What `hostname` does on the newest connection. */
  hostname: (deadlineMs: number) => Promise<string>
  alive: boolean
}

/** A failure as the addon throws it. */
export function addonError(
  code: string,
  message: string,
  libvirtCode = 0,
  libvirtDomain = 0,
): Error {
  return Object.assign(new Error(message), { code, libvirtCode, libvirtDomain })
}

/** An addon whose connections do as they are told; only what the tests use is there. */
export function createFakeAddon(): FakeAddon {
  const fake: FakeAddon = {
    opened: [],
    attempts: [],
    hostname: async () => 'fake',
    alive: true,
    openConnection: async (_options, onEvent) => {
      const does = fake.attempts.shift() ?? 'open'
      if (does === 'refuse') throw addonError('VIR_ERROR', 'Connection refused', 38, 7)
      if (does === 'hang') return await new Promise<never>(() => {})
      const used: Pick<
        FakeConnection,
        'closed' | 'close' | 'send' | 'runningCalls' | 'hostname' | 'isAlive'
      > = {
        closed: false,
        close: () => {
          connection.closed = true
        },
        send: (event) => onEvent({ event: 0, detail: 0, dropped: 0, ...event }),
        runningCalls: () => [
          { what: 'hostname', ageMs: 40 },
          { what: 'start a', ageMs: 90 },
        ],
        hostname: (deadlineMs: number) => fake.hostname(deadlineMs),
        isAlive: async () => fake.alive,
      }
      const connection = used as FakeConnection
      fake.opened.push(connection)
      return connection
    },
  }
  return fake
}

export interface FakeClock extends Clock {
  /** The pauses asked for so far. */
  readonly pausesMs: number[]
  /** Lets everything go on until nothing more happens, with time passing at once. */
  settle(): Promise<void>
}

/** A clock whose pauses are over as soon as everything else has had its turn. */
export function createFakeClock(): FakeClock {
  let nowMs = 0
  const pausesMs: number[] = []
  return {
    pausesMs,
    nowMs: () => nowMs,
    monotonicMs: () => nowMs,
    sleep: async (durationMs, signal) => {
      pausesMs.push(durationMs)
      await turn()
      signal?.throwIfAborted()
      nowMs += durationMs
    },
    settle: async () => {
      for (let turns = 0; turns < 50; turns++) await turn()
    },
  }
}
