import test from 'ava'
import { logStatements, readLogPrefix } from './log.ts'

const logged = { list: '1a2b3c4d5e6f', rule: 'web/inbound/0', verdict: 'drop' } as const

function prefixOf(rule: string): string {
  const found = logStatements({ ...logged, rule }).find(({ kind }) => kind === 'log')
  return found?.kind === 'log' ? found.prefix : ''
}

test('a log prefix says the list, the rule and its verdict', (t) => {
  t.deepEqual(readLogPrefix(prefixOf(logged.rule)), logged)
})

test('a prefix that is too long for the kernel is cut at its end', (t) => {
  const prefix = prefixOf(`${'g'.repeat(63)}/inbound/${'r'.repeat(63)}`)
  t.is(prefix.length, 127)
  t.like(readLogPrefix(prefix), { list: logged.list, verdict: logged.verdict })
})

test('somebody else’s prefix is none of ours', (t) => {
  for (const prefix of ['', 'IN=eth0 OUT=', 'purlin', 'purlin reject a b']) {
    t.is(readLogPrefix(prefix), undefined)
  }
})
