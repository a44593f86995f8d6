import type { SpecOf } from '@purlin/schema'
import test from 'ava'
import { configurationText, documentsOf } from '../configuration/documents.ts'
import { cacheDeviceSteps } from './cache-devices.ts'
import { planStorage } from './plan.ts'

const pool = (...paths: readonly string[]) => {
  const devices = paths.map((path) => ({ name: path.slice(1), path, sizeGiB: 1 }))
  const spec = {
    engine: 'local',
    redundancy: { replicas: 1 },
    faultDomain: 'disk',
    disks: [{ name: 'd', server: 's', path: '/d' }],
    ...(paths.length > 0 && { cache: { devices, mode: 'writeback' } }),
    recovery: { speed: 'low' },
    scrub: { everyHours: 24, deepEveryDays: 7, busy: [] },
    capacity: { warnAtPercent: [80] },
  } as SpecOf<'StoragePool'>
  return { name: 'p', spec }
}

const steps = (before: readonly string[], now: readonly string[]) => {
  const [document] = documentsOf(configurationText({ topologies: [], pools: [pool(...before)] }))
  return cacheDeviceSteps(pool(...now), document).map((step) =>
    step.kind === 'call' ? [step.call, (step.words as { device?: string }).device] : [],
  )
}

test('a new SSD is filled before the old one goes, and a whole cache waits for the next start', (t) => {
  t.deepEqual(steps(['/a'], ['/b']), [
    ['cache-device-add', '/b'],
    ['cache-device-remove', '/a'],
  ])
  t.deepEqual(steps(['/a'], ['/a', '/b']), [['cache-device-add', '/b']])
  t.deepEqual(steps(['/a', '/b'], ['/b']), [['cache-device-remove', '/a']])
  t.deepEqual(steps([], ['/b']), [])
  t.deepEqual(steps(['/a'], []), [])
})

test('SSDs are exchanged before the daemon’s file names others, so that a failure is tried again', (t) => {
  const desired = { topologies: [], pools: [pool('/b')], volumes: [], snapshots: [] }
  const status = {
    name: 'p',
    state: { phase: 'running' },
    engine: { policy: 'replicas 1', disks: [], volumes: [] },
  }
  const observed = {
    configuration: configurationText({ topologies: [], pools: [pool('/a')] }),
    owned: new Set<string>(),
    limits: new Map<string, string>(),
    ...{ vhostUser: new Set<string>(), found: new Set<string>(), strangers: new Set<string>() },
    daemon: { process: 1, pools: [status] },
  }
  const planned = planStorage(desired, observed as never).map((step) =>
    step.kind === 'call' ? step.call : step.kind,
  )
  const exchange = planned.filter((each) => each !== 'disk-add')
  t.deepEqual(exchange, ['cache-device-add', 'cache-device-remove', 'configure'])
})
