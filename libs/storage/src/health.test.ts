import test from 'ava'
import { ModelDaemon } from '../tests/model-daemon.ts'
import { storageHealth } from './health.ts'

test('volumes show where they are served and how they came; what is being copied says so', (t) => {
  const daemon = new ModelDaemon()
  daemon.pools.set('fast', new Map())
  daemon.foreign('fast', 'a')
  daemon.foreign('fast', 'copying:a')
  const { volumes, pools } = storageHealth(daemon.observe(), '/run/s')
  t.deepEqual(
    [...volumes],
    [['a', { pool: 'fast', sizeBytes: 4096, socket: '/run/s/a.sock', clients: 0, copying: true }]],
  )
  t.is(pools.get('fast')?.phase, 'running')
})

test('a pool that failed says why, and one that does not answer is silent', (t) => {
  const rest = { configuration: '', owned: new Set<string>(), limits: new Map<string, string>() }
  const failed = { phase: 'failed', code: 'PUR_BLOCK_DISK', message: 'no disk' } as const
  const pools = [
    { name: 'a', state: failed },
    { name: 'b', state: { phase: 'running' } as const },
  ]
  const seen = storageHealth({ ...rest, daemon: { process: 1, pools } }, '/run/s')
  t.deepEqual(seen.pools.get('a')?.reason, { code: 'PUR_BLOCK_DISK', message: 'no disk' })
  t.is(seen.pools.get('b')?.phase, 'silent')
})
