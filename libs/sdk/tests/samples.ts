import type { Clock } from '@purlin/base'
import { type Client, type ClientTarget, createClient } from '../src/index.ts'

/** A task with the fields given. */
export function taskOf(fields: Readonly<Record<string, unknown>> = {}) {
  return {
    id: 't1',
    verb: 'apply',
    targets: [{ kind: 'SecurityGroup', name: 'web' }],
    state: 'succeeded',
    progress: { done: 1, total: 1, text: 'done' },
    createdAtMs: 1,
    ...fields,
  }
}

/** A stored security group with two inbound rules. */
export function groupOf(revision: number, inbound: readonly unknown[] = []) {
  return {
    kind: 'SecurityGroup',
    name: 'web',
    spec: { allowWithinGroup: true, inbound, outbound: [] },
    uid: 'u1',
    generation: 1,
    revision,
    createdAtMs: 1,
    status: { observedGeneration: 1, conditions: [] },
  }
}

/** A clock that never really sleeps and remembers how long it was asked to. */
export function hastyClock(): Clock & { readonly sleptMs: number[] } {
  const sleptMs: number[] = []
  let monotonicMs = 0
  return {
    sleptMs,
    nowMs: () => 1_700_000_000_000,
    monotonicMs: () => monotonicMs,
    sleep: async (durationMs, signal) => {
      signal?.throwIfAborted()
      sleptMs.push(durationMs)
      monotonicMs += durationMs
    },
  }
}

/** A client whose pauses take no time. */
export function hastyClient(target: ClientTarget, attempts?: number): Client {
  const options = attempts === undefined ? {} : { attempts }
  return createClient(target, { clock: hastyClock(), ...options })
}
