import type { CacheLayer } from '@purlin/cache-native'
import { Alerts } from '@purlin/service'
import test from 'ava'
import { lookAtCaches } from './cache-watch.ts'

const whole: CacheLayer = {
  ...{ origin: '/disks/one', devices: ['/ssd/a', '/ssd/b'], phase: 'running', error: null },
  ...{ mode: 'writeback', sizeBytes: 100, cachedBytes: 50, dirtyBytes: 20, lostBytes: 0 },
  ...{ lostOffsets: [], devicesInUse: 2, deviceErrors: 0, readPages: 0, missedPages: 0 },
  ...{ writtenPages: 0, originReads: 0, originWrites: 0, deviceWrittenBytes: 0 },
}

test('an SSD that drops out, a refused cache and lost pages are alerts for as long as they last', async (t) => {
  const clock = { nowMs: () => 1, monotonicMs: () => 1, sleep: async () => undefined }
  const alerts = new Alerts(clock, () => undefined)
  const seen = new Set<string>()
  let pools = ['fast']
  const look = async (layers: readonly CacheLayer[] | Error): Promise<readonly string[]> => {
    const layersOf = async () => {
      if (layers instanceof Error) throw layers
      return layers
    }
    const { signal } = new AbortController()
    await lookAtCaches({ alerts, pools: () => pools, layersOf }, seen, signal)
    return alerts
      .list()
      .filter(({ clearedAtMs }) => clearedAtMs === undefined)
      .map(({ code, severity, subject }) => `${code} ${severity} ${subject.name}`)
      .toSorted()
  }
  t.deepEqual(await look([whole]), [])
  const one = { ...whole, devicesInUse: 1 }
  t.deepEqual(await look([whole, one]), ['PUR_CACHE_SSD warning fast'])
  t.deepEqual(await look(new Error('silent')), ['PUR_CACHE_SSD warning fast'], 'not known: stands')
  t.deepEqual(await look([{ ...whole, lostBytes: 4096, lostOffsets: [0], devicesInUse: 0 }]), [
    'PUR_CACHE_LOST critical fast',
    'PUR_CACHE_SSD critical fast',
  ])
  const error = { code: 'PUR_CACHE_STALE', message: 'no SSD has it as it was last in use' }
  t.deepEqual(await look([{ ...whole, phase: 'refused', devicesInUse: 0, error }]), [
    'PUR_CACHE_REFUSED critical fast',
  ])
  t.true(alerts.list().some(({ message }) => message.includes('no SSD has it as it was last')))
  pools = []
  t.deepEqual(await look([whole]), [], 'a pool without a cache has nothing wrong with one')
})
