import { PurlinError, systemClock, uuidOf } from '@purlin/base'
import { type Task, taskEnded } from '@purlin/schema'
import { type CatalogueFollower, catalogueOf, type StoredRecord } from '@purlin/service'
import { createTaskLog, openSqliteStore, type Store } from '@purlin/store'
import type { MachineControl, RebootOptions } from '@purlin/virt'
import test from 'ava'
import { isActTask, MachineActs } from './acts.ts'

const machineWith = (spec: object, uid = 'u1') =>
  ({
    manifest: { kind: 'VirtualMachine', name: 'web-1', spec: { host: 'a', ...spec } },
    ...{ uid, generation: 1, revision: 1, createdAtMs: 0 },
  }) as StoredRecord<'VirtualMachine'>
const machine = machineWith({ powerState: 'running' })

interface Bench {
  readonly store: Store
  readonly calls: string[]
  readonly ended: Task[]
  readonly acts: (host: string, of?: Partial<MachineControl>) => MachineActs
  /** The task once it has ended. */
  readonly end: (task: Task) => Promise<Task>
  /** Resolves when nothing is left of any act. */
  readonly settled: () => Promise<void>
  stop(): void
}

async function bench(record: StoredRecord = machine): Promise<Bench> {
  const clock = systemClock
  const store = await openSqliteStore({ file: ':memory:', clock })
  const tasks = createTaskLog(store, clock)
  const stop = new AbortController()
  const calls: string[] = []
  const ended: Task[] = []
  const current = catalogueOf(new Map([['/resource/VirtualMachine/web-1', record]]), 1)
  const catalogue = { current: () => current } as CatalogueFollower
  const control: MachineControl = {
    reboot: async ({ name, uuid }, { graceMs, onState }: RebootOptions) => {
      await onState?.(graceMs > 0 ? 'asked' : 'reset')
      calls.push(`reboot ${name} ${uuid === uuidOf('machine u1')} ${graceMs}`)
      return graceMs > 0 ? 'by-guest' : 'by-reset'
    },
    awaitRunning: async ({ name }) => void calls.push(`running ${name}`),
    destroy: async ({ name }) => void calls.push(`destroy ${name}`),
  }
  return {
    store,
    calls,
    ended,
    acts: (host, of = {}) =>
      new MachineActs({
        ...{ store, tasks, catalogue, clock, host, signal: stop.signal },
        control: { ...control, ...of },
        thaw: async (name) => calls.push(`thaw ${name}`),
        startAnew: async (uuid) => void calls.push(`anew ${uuid === uuidOf('machine u1')}`),
        onEnd: (task) => ended.push(task),
        onTrouble: () => undefined,
      }),
    end: async ({ id }) => {
      for (;;) {
        const task = await tasks.wait(id, 1_000)
        if (taskEnded(task)) return task
      }
    },
    settled: async () => {
      while ((await store.list('/machine-act/')).entries.length > 0) await clock.sleep(1)
    },
    stop: () => stop.abort(),
  }
}

test('a reboot is done once by the agent of the machine’s host, and its task ends with it', async (t) => {
  const { acts, end, calls, ended, settled, stop } = await bench()
  const other = acts('b')
  acts('a')
  const task = await other.ask('reboot', machine, 5_000)
  t.true(isActTask(task))
  const after = await end(task)
  t.like(after, { state: 'succeeded', verb: 'reboot', result: { how: 'by-guest' } })
  await settled()
  t.deepEqual(calls, ['reboot web-1 true 5000'])
  t.deepEqual(
    ended.map(({ id }) => id),
    [task.id],
  )
  stop()
})

test('a reset asks nobody, whatever the grace', async (t) => {
  const { acts, end, calls, stop } = await bench()
  t.like(await end(await acts('a').ask('reset', machine, 0)), { result: { how: 'by-reset' } })
  t.deepEqual(calls, ['reboot web-1 true 0'])
  stop()
})

test('what an agent had begun when it ended is not done twice, and the task says so', async (t) => {
  const first = await bench()
  const hanging: MachineControl['reboot'] = async (_machine, { onState }) => {
    await onState?.('asked')
    first.calls.push('asked')
    return await new Promise(() => undefined)
  }
  const task = await first.acts('a', { reboot: hanging }).ask('reboot', machine, 5_000)
  while (first.calls.length === 0) await systemClock.sleep(1)
  first.stop()
  const { store, calls } = first
  const second = await bench()
  const again = new MachineActs({
    store,
    tasks: createTaskLog(store, systemClock),
    catalogue: {} as CatalogueFollower,
    ...{ clock: systemClock, host: 'a', signal: new AbortController().signal },
    control: {
      reboot: async () => 'by-guest',
      awaitRunning: async () => undefined,
      destroy: async () => undefined,
    },
    startAnew: async () => undefined,
    thaw: async () => 0,
    onEnd: () => undefined,
    onTrouble: () => undefined,
  })
  t.truthy(again)
  const after = await first.end(task)
  t.is(after.state, 'failed')
  t.is(after.problem?.code, 'PUR_VIRT_UNCERTAIN')
  t.deepEqual(calls, ['asked'])
  second.stop()
})

test('what was not begun is done by the next agent, unless it is too late', async (t) => {
  const { acts, end, calls, store, stop } = await bench()
  const elsewhere = acts('b')
  const soon = await elsewhere.ask('reboot', machine, 1_000)
  const late = await elsewhere.ask('reboot', machine, 2_000)
  const key = `/machine-act/${late.id}`
  const { value } = (await store.get(key)) ?? {}
  await store.transact({ writes: [{ put: key, value: { ...(value as object), untilMs: 1 } }] })
  acts('a')
  t.is((await end(soon)).state, 'succeeded')
  t.is((await end(late)).problem?.code, 'PUR_DEADLINE_PASSED')
  t.deepEqual(calls, ['reboot web-1 true 1000'])
  stop()
})

test('a task that is cancelled in time leaves the guest alone', async (t) => {
  const { acts, calls, settled, store, stop } = await bench()
  const tasks = createTaskLog(store, systemClock)
  const task = await acts('b').ask('reboot', machine, 1_000)
  await tasks.cancel(task.id)
  acts('a')
  await settled()
  t.deepEqual(calls, [])
  t.is((await tasks.get(task.id)).state, 'cancelled')
  stop()
})

test('a failure is the task’s own', async (t) => {
  const { acts, end, stop } = await bench()
  const reboot = async (): Promise<never> => {
    throw new PurlinError('PUR_VIRT_POWER', { message: 'machine web-1 is off' })
  }
  const after = await end(await acts('a', { reboot }).ask('reboot', machine, 1_000))
  t.like(after, { state: 'failed', problem: { code: 'PUR_VIRT_POWER' } })
  stop()
})

test('a power cut hurries a stop, and is dropped where the machine is wanted again', async (t) => {
  for (const [powerState, uid, wanted] of [
    ['stopped', 'u1', ['destroy web-1']],
    ['running', 'u1', []],
    ['stopped', 'u2', []],
  ] as const) {
    const { acts, calls, settled, stop } = await bench(machineWith({ powerState }, uid))
    await acts('a').hurry({ id: 't1' } as Task, machineWith({ powerState: 'stopped' }))
    await settled()
    t.deepEqual(calls, [...wanted])
    stop()
  }
})

test('a machine that rests is started anew by the agent of its host, and the task waits for it', async (t) => {
  const { acts, calls, end, stop } = await bench()
  acts('a')
  t.like(await end(await acts('b').ask('start-again', machine, 0)), { state: 'succeeded' })
  t.deepEqual(calls, ['anew true', 'running web-1'])
  stop()
})

test('a frozen guest is thawed at its time, also by the next agent, and a further freeze puts it off', async (t) => {
  const { acts, calls, settled, stop } = await bench()
  const elsewhere = acts('a')
  await elsewhere.thawLater('web-1', 60_000)
  const soon = await elsewhere.thawLater('web-1', 30)
  acts('a')
  await settled()
  t.true(systemClock.nowMs() >= soon)
  t.true(calls.length > 0 && calls.every((call) => call === 'thaw web-1'))
  stop()
})
