import { fact } from '@purlin/base'
import test from 'ava'
import { ModelDaemon } from '../tests/model-daemon.ts'
import { storageHealth } from './health.ts'
import { storageFacts } from './observed.ts'

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
  const copy = { copiedBytes: 1024, totalBytes: 4096 }
  daemon.part('fast', 'b', copy)
  const part = storageHealth(daemon.observe(), '/run/s').volumes.get('b')
  t.like(part, { copying: true, copy })
})

test('a volume shows where machines have it by vhost-user, where the daemon offers that', (t) => {
  const daemon = new ModelDaemon()
  daemon.pools.set('fast', new Map())
  daemon.foreign('fast', 'a')
  daemon.foreign('fast', 'b')
  const observed = { ...daemon.observe(), vhostUser: new Set(['a']) }
  const { volumes } = storageHealth(observed, '/run/s')
  t.is(volumes.get('a')?.vhostSocket, '/run/s/a.vhost.sock')
  t.is(volumes.get('b')?.vhostSocket, undefined)
  const facts = storageFacts(observed)
  t.true(facts.has(fact('volume', 'a', 'vhost-user')))
  t.false(facts.has(fact('volume', 'b', 'vhost-user')))
})

test('a pool that failed says why, and one that does not answer is silent', (t) => {
  const rest = {
    ...{ configuration: '', owned: new Set<string>(), limits: new Map<string, string>() },
    ...{ vhostUser: new Set<string>(), found: new Set<string>(), strangers: new Set<string>() },
  }
  const failed = { phase: 'failed', code: 'PUR_BLOCK_DISK', message: 'no disk' } as const
  const pools = [
    { name: 'a', state: failed },
    { name: 'b', state: { phase: 'running' } as const },
  ]
  const seen = storageHealth({ ...rest, daemon: { process: 1, pools } }, '/run/s')
  t.deepEqual(seen.pools.get('a')?.reason, { code: 'PUR_BLOCK_DISK', message: 'no disk' })
  t.is(seen.pools.get('b')?.phase, 'silent')
})
