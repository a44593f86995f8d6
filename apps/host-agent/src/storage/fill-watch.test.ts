import { checkDocument, type Manifest, type NewEvent } from '@purlin/schema'
import { Alerts } from '@purlin/service'
import test from 'ava'
import { refuseOvercommit } from '../admit/provisioned.ts'
import { FillWatch } from './fill-watch.ts'

const GIB = 2 ** 30
const manifest = (kind: string, name: string, spec: object): Manifest => {
  const checked = checkDocument({ kind, name, spec })
  if (checked.manifest === undefined) throw new Error(JSON.stringify(checked.problems))
  return checked.manifest
}
const pool = (capacity: object = {}) =>
  manifest('StoragePool', 'fast', {
    ...{ redundancy: { replicas: 1 }, capacity },
    disks: [{ name: 'd', server: 's', path: '/d' }],
  }) as Manifest<'StoragePool'>

test('each level that a pool reaches is told once, the highest is critical, and below all it is over', (t) => {
  const events: NewEvent[] = []
  const clock = { nowMs: () => 1, monotonicMs: () => 1, sleep: async () => undefined }
  const alerts = new Alerts(clock, () => undefined)
  const watch = new FillWatch((event) => void events.push(event), alerts)
  const { spec } = pool()
  const see = (usedBytes: number): string => {
    watch.see('fast', spec, {
      ...{ phase: 'running', sizeBytes: 100, usedBytes, usableBytes: 100, provisionedBytes: 0 },
      ...{ shortStripes: 0, repairedChunks: 0, disks: [] },
    })
    const standing = alerts.list().find(({ clearedAtMs }) => clearedAtMs === undefined)
    return standing === undefined ? 'none' : `${standing.code} ${standing.severity}`
  }
  t.is(see(79), 'none')
  t.is(see(80), 'PUR_BLOCK_FILLING warning')
  t.is(see(85), 'PUR_BLOCK_FILLING warning')
  t.is(see(96), 'PUR_BLOCK_FILLING critical')
  t.is(see(91), 'PUR_BLOCK_FILLING warning')
  t.is(see(50), 'none')
  t.deepEqual(
    events.map(({ message }) => /to (\d+) percent/.exec(message)?.[1]),
    ['80', '95'],
  )
})

test('a volume that would promise more than the pool’s limit is refused; one that adds nothing is not', (t) => {
  const sizes = {
    usableBytes: new Map([['fast', 10 * GIB]]),
    volumeBytes: new Map([
      ['monday', 4 * GIB],
      ['b', 4 * GIB],
    ]),
  }
  const limited = pool({ provisionAtMost: 1.5 })
  const volume = (name: string, sizeGiB: number) =>
    manifest('Volume', name, { pool: 'fast', sizeGiB })
  const source = { snapshot: 'monday', clone: 'linked' }
  const clone = (name: string) => manifest('Volume', name, { pool: 'fast', source })
  const refused = (before: readonly Manifest[], after: readonly Manifest[]) => {
    const thrown = t.throws(() => refuseOvercommit(before, after, sizes))
    return (thrown as { code?: string } | undefined)?.code
  }
  const standing = [limited, volume('a', 11)]
  t.notThrows(() => refuseOvercommit([], [...standing, clone('c')], sizes))
  t.is(refused(standing, [...standing, clone('c'), volume('d', 0.5)]), 'PUR_BLOCK_OVERCOMMIT')
  t.is(refused(standing, [limited, volume('a', 16)]), 'PUR_BLOCK_OVERCOMMIT')
  const over = [limited, volume('a', 99)]
  t.notThrows(() => refuseOvercommit(over, [limited, volume('a', 98)], sizes))
  t.notThrows(() => refuseOvercommit([], [pool(), volume('a', 99)], sizes))
  t.notThrows(() => {
    const unseen = { ...sizes, usableBytes: new Map<string, number>() }
    refuseOvercommit([], over, unseen)
  })
})
