import type { Run } from '@purlin/base'
import test from 'ava'
import { reachablePeers } from './reachable.ts'

/** A kernel whose way to every host leads through one device. */
function wayThrough(device: string, asked: string[]): Run {
  return async (program, args) => {
    asked.push([program, ...args].join(' '))
    const stdout = JSON.stringify([{ dst: '192.0.2.2', dev: device }])
    return { exitCode: 0, stdout, stderr: '' } as Awaited<ReturnType<Run>>
  }
}

const signal = new AbortController().signal

test('a host that is reached by another device than the switch’s is not asked', async (t) => {
  const asked: string[] = []
  const run = wayThrough('eth9', asked)
  const reachable = reachablePeers({ run, others: () => ['192.0.2.2:7443', '[fd00::2]:1'], ca: '' })
  t.false(await reachable('dvs0', signal))
  t.deepEqual(asked, ['ip -json route get 192.0.2.2', 'ip -json route get fd00::2'])
})

test('a host alone reaches nobody', async (t) => {
  const run = wayThrough('dvs0', [])
  t.false(await reachablePeers({ run, others: () => [], ca: '' })('dvs0', signal))
})
