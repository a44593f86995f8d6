import type { DiscoveryReport } from '@purlin/schema'
import test from 'ava'
import fc from 'fast-check'
import { reportOf } from '../../tests/support/samples.ts'
import { changeWords, compareReports, summaryOf } from './reports.ts'

const base = reportOf()
const words = (before: DiscoveryReport, after: DiscoveryReport): readonly string[] =>
  compareReports(before, after).map(changeWords)

test('a disk that went, a disk that came, a link that went down: each is told by its name', (t) => {
  const [disk, stick] = base.disks
  const [nic] = base.nics
  if (disk === undefined || stick === undefined || nic === undefined) return t.fail()
  const after = {
    ...base,
    disks: [stick, { ...disk, serial: 'disk9' }],
    nics: [{ ...nic, link: false }],
  }
  t.deepEqual(words(base, after), [
    'disk disk0 removed',
    'disk disk9 added',
    'NIC 52:54:00:88:00:07: link true to false',
  ])
})

test('a replaced board, other firmware and less memory are told by field, before and after', (t) => {
  const after = {
    ...base,
    system: { ...base.system, serial: 'C8' },
    firmware: { ...base.firmware, version: '2.1' },
    memory: { ...base.memory, sizeMiB: 32_768 },
  }
  t.deepEqual(words(base, after), [
    'system: serial "C7" to "C8"',
    'firmware: version none to "2.1"',
    'memory: sizeMiB 65536 to 32768',
  ])
})

test('other names of the kernel and another order are no change', (t) => {
  const renamed = {
    ...base,
    disks: base.disks.map((disk, index) => ({ ...disk, name: `sd${'xyz'[index]}`, links: [] })),
    nics: base.nics.map((nic) => ({ ...nic, name: 'enp1s0' })),
  }
  fc.assert(
    fc.property(fc.shuffledSubarray(renamed.disks, { minLength: 2 }), (disks) => {
      return compareReports(base, { ...renamed, disks }).length === 0
    }),
    { seed: 7, numRuns: 20 },
  )
  t.pass()
})

test('the summary of a report counts its parts', (t) => {
  t.like(summaryOf(3, 5, base), {
    id: 3,
    atMs: 5,
    cpuThreads: 16,
    memoryMiB: 65_536,
    disks: 2,
    nics: 1,
    serial: 'C7',
  })
})
