import type { Task } from '@purlin/schema'
import { type CatalogueFollower, type Changes, catalogueOf, type Once } from '@purlin/service'
import test from 'ava'
import type { FleetState } from '../status/fleet-state.ts'
import type { MachineActs } from './acts.ts'
import { machineHandlers } from './handlers.ts'

type Handlers = ReturnType<typeof machineHandlers>

/** The calls on `web-1`, which is wanted so and seen so; what they led to. */
function bench(powerState: string, seen?: string, rest?: string) {
  const done: unknown[] = []
  const spec = { powerState, stopGraceSeconds: 7 }
  const record = {
    manifest: { kind: 'VirtualMachine', name: 'web-1', spec },
    ...{ uid: 'u', generation: 1, revision: 1, createdAtMs: 0 },
  }
  const current = catalogueOf(new Map([['/resource/VirtualMachine/web-1', record as never]]), 1)
  const task = { id: 't1' } as Task
  const handlers = machineHandlers(
    {
      catalogue: { current: () => current } as CatalogueFollower,
      changes: {
        modify: async (verb: string, _subject: unknown, edit: (spec: object) => object) => {
          done.push([verb, edit(spec)])
          return task
        },
      } as unknown as Changes,
      fleet: {
        viewOf: () => ({
          lanes: { virt: { passedRevision: seen === 'unseen' ? 0 : 1 } },
          machines: new Map(seen && seen !== 'unseen' ? [['web-1', { state: seen, rest }]] : []),
        }),
      } as unknown as FleetState,
      presence: undefined,
      acts: {
        ask: async (verb: string, _machine: unknown, graceMs: number) => {
          done.push([verb, graceMs])
          return task
        },
        hurry: async () => void done.push(['hurry']),
      } as unknown as MachineActs,
    },
    (async (_call: unknown, work: () => Promise<Task>) => await work()) as unknown as Once,
  )
  const ask = async (name: keyof Handlers, query = {}, machine = 'web-1'): Promise<unknown> => {
    const call = { params: { name: machine }, query }
    return await handlers[name](call as never).then(
      () => done.splice(0),
      ({ code, message }: { code: string; message: string }) => `${code}: ${message}`,
    )
  }
  return ask
}

test('a stop and a start are wished for in any state', async (t) => {
  for (const seen of [undefined, 'running', 'paused', 'crashed', 'suspended']) {
    t.deepEqual(await bench('running', seen)('stopMachine', { graceSeconds: 3 }), [
      ['stop', { powerState: 'stopped', stopGraceSeconds: 3 }],
    ])
    t.deepEqual(await bench('stopped', seen)('startMachine'), [
      ['start', { powerState: 'running', stopGraceSeconds: 7 }],
    ])
  }
})

test('a destroy wants it stopped and hurries', async (t) => {
  t.deepEqual(await bench('running', 'running')('destroyMachine'), [
    ['destroy', { powerState: 'stopped', stopGraceSeconds: 7 }],
    ['hurry'],
  ])
})

test('the grace of a reboot is the caller’s, else the machine’s; a reset has none', async (t) => {
  const ask = bench('running', 'running')
  t.deepEqual(await ask('rebootMachine', { graceSeconds: 0 }), [['reboot', 0]])
  t.deepEqual(await ask('rebootMachine'), [['reboot', 7_000]])
  t.deepEqual(await ask('resetMachine'), [['reset', 0]])
})

test('what the state does not allow is refused with what it does allow', async (t) => {
  t.is(
    await bench('stopped', 'stopped')('pauseMachine'),
    'PUR_VIRT_POWER: pause of machine web-1: it is stopped; possible now: start',
  )
  t.is(
    await bench('running')('rebootMachine'),
    'PUR_VIRT_POWER: reboot of machine web-1: it is absent; possible now: nothing',
  )
  t.regex(
    String(await bench('running', 'unseen')('rebootMachine')),
    /^PUR_VIRT_UNREACHABLE: reboot of machine web-1: its host has not looked at it yet/,
  )
  t.regex(String(await bench('paused', 'paused')('rebootMachine')), /possible now: .*reset/)
  t.regex(String(await bench('stopped', 'stopped')('resumeMachine')), /^PUR_VIRT_POWER/)
  t.regex(
    String(await bench('running', 'running')('resetMachine', {}, 'x')),
    /^PUR_RESOURCE_MISSING/,
  )
})

test('what is wanted already may be asked for again', async (t) => {
  t.deepEqual(await bench('suspended', 'suspended')('suspendMachine'), [
    ['suspend', { powerState: 'suspended', stopGraceSeconds: 7 }],
  ])
  t.deepEqual(await bench('suspended', 'suspended')('resumeMachine'), [
    ['resume', { powerState: 'running', stopGraceSeconds: 7 }],
  ])
})

test('a machine that rests is started again by an act, since it is wanted running already', async (t) => {
  for (const rest of ['ended', 'after-boot', 'gave-up']) {
    t.deepEqual(await bench('running', 'stopped', rest)('startMachine'), [['start-again', 0]])
  }
})
