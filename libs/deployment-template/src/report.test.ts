import test from 'ava'
import fc from 'fast-check'
import { reportOf } from '../tests/samples.ts'
import { parseDiscoveryReport } from './report.ts'

test('a good report is read back as it was sent', (t) => {
  const report = reportOf('uefi')
  t.deepEqual(parseDiscoveryReport(JSON.stringify(report)), { ok: true, value: report })
})

test('a hostile report is refused with paths, and nothing of it is repeated', (t) => {
  const report = { ...reportOf('bios'), sudo: 'rm -rf', cpu: { architecture: 'z80\u001b[2J' } }
  const disks = [{ ...report.disks[0], name: '../../etc', serial: 'x\ny' }]
  const parsed = parseDiscoveryReport(JSON.stringify({ ...report, disks }))
  const problems = parsed.ok ? [] : parsed.error
  t.deepEqual(
    problems.map(({ path }) => path),
    ['cpu.architecture', 'cpu.sockets', 'disks[0].name', 'disks[0].serial', ''],
  )
  t.notRegex(JSON.stringify(problems), /rm -rf|z80|etc|sudo/)
})

test('more than a mebibyte is not even parsed', (t) => {
  const parsed = parseDiscoveryReport(`"${'é'.repeat(600_000)}"`)
  t.regex(parsed.ok ? '' : (parsed.error[0]?.message ?? ''), /longer than 1048576 bytes/)
})

test('no JSON makes the parser throw, and a parsed text has no control characters', (t) => {
  const good = reportOf('bios')
  fc.assert(
    fc.property(fc.json(), fc.string({ unit: 'binary' }), fc.jsonValue(), (json, word, value) => {
      parseDiscoveryReport(json)
      parseDiscoveryReport(JSON.stringify({ ...good, disks: value }))
      const parsed = parseDiscoveryReport(JSON.stringify({ ...good, system: { serial: word } }))
      return !parsed.ok || !/\p{Cc}/u.test(parsed.value.system.serial ?? '')
    }),
  )
  t.false(parseDiscoveryReport('{').ok)
})
