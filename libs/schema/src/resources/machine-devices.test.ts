import test from 'ava'
import { virtualMachineSpec } from './virtual-machine.ts'

const spec = { cpus: 2, memoryMiB: 1024, image: 'probe' }
const disk = (change: object) => ({ disks: [{ name: 'root', volume: 'vol-a', ...change }] })

for (const [what, change, at] of [
  ['fewer processors at most than now', { maximumCpus: 1 }, 'maximumCpus'],
  ['less memory at most than now', { maximumMemoryMiB: 512 }, 'maximumMemoryMiB'],
  ['memory that comes in odd pieces', { maximumMemoryMiB: 2047 }, 'maximumMemoryMiB'],
  ['a burst below the rate', disk({ limits: { iops: { perSecond: 9, burst: 8 } } }), 'burst'],
  [
    'the length of no burst',
    disk({ limits: { iops: { perSecond: 9, burstSeconds: 8 } } }),
    'burstSeconds',
  ],
  [
    'a limit of all beside one of a part',
    disk({ limits: { bytes: { perSecond: 9 }, readBytes: { perSecond: 9 } } }),
    'readBytes',
  ],
  [
    'limits of a disk by vhost-user',
    disk({ attach: 'vhost-user', limits: { iops: { perSecond: 9 } } }),
    'limits',
  ],
] as const) {
  test(`${what} is refused`, (t) => {
    const { error } = virtualMachineSpec.safeParse({ ...spec, ...change })
    t.is(error?.issues[0]?.path.at(-1), at)
  })
}

test('a machine that may grow, with limits and queues, is taken as it is', (t) => {
  const limits = { iops: { perSecond: 500, burst: 2_000, burstSeconds: 30 } }
  const wanted = { ...spec, maximumCpus: 8, maximumMemoryMiB: 4096, ioThreads: 2 }
  const { data } = virtualMachineSpec.safeParse({ ...wanted, ...disk({ limits, queues: 4 }) })
  t.like(data, { ...wanted, disks: [{ limits, queues: 4 }] })
  t.false('limits' in (virtualMachineSpec.parse({ ...spec, ...disk({}) }).disks[0] ?? {}))
})
