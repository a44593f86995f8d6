import test from 'ava'
import { observeLines } from './report.ts'

const look = (ms: number) => ({ ms, cpuMs: ms / 2, daemonCpuMs: ms / 4 })

test('medians, ratios of pairs of rounds, and goals that are met and missed are told', (t) => {
  const lines = observeLines({
    sets: [
      {
        ...{ name: 'test driver', domains: 200, looksARound: 10 },
        virsh: [10, 20, 30].map(look),
        counters: [5, 10, 15].map(look),
        observe: [2_000, 2_000, 2_000].map(look),
        virshAll: [4_000, 4_000, 4_000].map(look),
      },
    ],
    agent: { machines: 200, seconds: 60, cpuMs: 600, residentMiB: 150 },
  })
  t.regex(lines.join('\n'), /virsh domstats +20\.0 ms {2}processor 10\.0 ms {2}of libvirtd 5\.0 ms/)
  t.regex(lines.join('\n'), /counters to virsh domstats: 0\.50 \(goal at most 1: met\)/)
  t.regex(lines.join('\n'), /a full look to virsh domstats: 100\.00 \(goal at most 1: missed\)/)
  t.regex(lines.join('\n'), /to virsh reading as much: 0\.50/)
  t.regex(lines.join('\n'), /a full look: 2000 ms \(goal at most 1000: missed\)/)
  t.regex(lines.join('\n'), /150 MiB \(goal under 200: met\), 1\.0 % of a processor/)
})
