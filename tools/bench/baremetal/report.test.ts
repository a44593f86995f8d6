import test from 'ava'
import { bmcLines, memoryLines, roadLines } from './report.ts'

test('a figure says whether its goal was met', (t) => {
  const lines = roadLines({
    ...{ installs: 'image', reportSeconds: 29.7, sshSeconds: 250 },
    states: [{ state: 'writing', seconds: 40 }],
  })
  t.regex(lines[0] ?? '', /29\.7 s {2}\(goal 40 s: met\)/)
  t.regex(lines[1] ?? '', /250\.0 s {2}\(goal 240 s: missed\)/)
  const call = { call: 'power state', count: 100, p50Ms: 90, p95Ms: 130 }
  t.regex(bmcLines({ calls: [call] })[0] ?? '', /p95 +130\.0 ms.*met/)
})

test('memory is told with what was polled meanwhile', (t) => {
  const lines = memoryLines({
    ...{ chassis: 1_000, emptyMiB: 90, enrolledMiB: 150, polledMiB: 160 },
    ...{ answersAMinute: 1_000, cpuSeconds: 40, longestListMs: 900 },
  })
  t.regex(lines.join('\n'), /1000 enrolled: 150 MiB.*160 MiB\n1000 power answers(.|\n)*: 900 ms/)
})
