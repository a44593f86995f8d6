import { run, systemClock } from '@purlin/base'
import { ovsdb } from '@purlin/vswitch'
import { useOfTree } from '../process-tree.ts'
import { summarize } from '../quantile.ts'
import type { SwitchFindings } from './findings.ts'

const DEADLINE_MS = 10_000

/** Sets one key of the database by turns through our connection and by a spawned ovs-vsctl, once
 *  only committed and once until ovs-vswitchd has applied it. */
export async function measureTransactions(
  socket: string,
  turns: number,
): Promise<SwitchFindings['transactions']> {
  const database = ovsdb.openDatabase(socket, systemClock)
  try {
    const { root } = await database.replica()
    if (root === undefined) throw new Error('the database was not initialised')
    const set = (turn: number): ovsdb.Operation =>
      ovsdb.mutate('Open_vSwitch', root.id, ovsdb.setKeys('external_ids', { bench: String(turn) }))
    const vsctl = async (flags: readonly string[], turn: number): Promise<unknown> => {
      const words = [`--db=unix:${socket}`, ...flags, 'set', 'open', '.']
      const entry = `external_ids:bench=${turn}`
      return await run('ovs-vsctl', [...words, entry], { timeoutMs: DEADLINE_MS })
    }
    return [
      await compared('committed', turns, {
        purlin: (turn) => database.transact('set a key', [set(turn)]),
        vsctl: (turn) => vsctl(['--no-wait'], turn),
      }),
      await compared('applied by ovs-vswitchd', turns, {
        purlin: (turn) => database.apply('set a key', [set(turn)], DEADLINE_MS),
        vsctl: (turn) => vsctl([], turn),
      }),
    ]
  } finally {
    database.close()
  }
}

type Side = (turn: number) => Promise<unknown>

async function compared(
  what: string,
  turns: number,
  sides: { readonly purlin: Side; readonly vsctl: Side },
): Promise<SwitchFindings['transactions'][number]> {
  const times = { purlin: [] as number[], vsctl: [] as number[] }
  const cpuMs = { purlin: 0, vsctl: 0 }
  for (let turn = 0; turn < turns; turn++) {
    for (const side of ['purlin', 'vsctl'] as const) {
      const before = (await useOfTree(process.pid)).cpuMs
      const startMs = performance.now()
      await sides[side](turn)
      times[side].push(performance.now() - startMs)
      cpuMs[side] += (await useOfTree(process.pid)).cpuMs - before
    }
  }
  const each = (total: number): number => Math.round((total / turns) * 100) / 100
  return {
    what,
    purlin: summarize(times.purlin),
    purlinCpuMs: each(cpuMs.purlin),
    vsctl: summarize(times.vsctl),
    vsctlCpuMs: each(cpuMs.vsctl),
  }
}
