import { join } from 'node:path'
import { run } from '@purlin/base'
import test from 'ava'
import { repository } from '../repository.ts'

const TEST_LIMIT_MS = 280_000

test('two libvirtds and an etcd: a machine is on one host at a time, and no host starts what another may run', async (t) => {
  t.timeout(TEST_LIMIT_MS)
  const node = [process.execPath, '--conditions=purlin-source'] as const
  const inHost = [
    join(repository, 'tools/sandbox/in-host.ts'),
    '--folder',
    join(repository, 'tools'),
  ]
  const between = [...node, join(import.meta.dirname, 'machine-lease.ts')]
  const [program, ...options] = node
  await t.notThrowsAsync(
    run(program, [...options, ...inHost, '--', ...between], { timeoutMs: TEST_LIMIT_MS }),
  )
})
