import test from 'ava'
import { isOver, judgeHop, readTraceLine, type TraceLine } from './trace-text.ts'

const lines = (text: string): readonly TraceLine[] =>
  text.split('\n').flatMap((line) => readTraceLine(line) ?? [])

const came = 'trace id 8d1f0a2c inet purlin-live begin packet: iif "rt0" ip saddr 10.1.0.5'

const step = (table: string, text: string): string => `trace id 8d1f0a2c inet ${table} ${text}`

test('a packet that leaves is told by its device and how it looks', (t) => {
  const nonce = '@nh,320,128 0x0102'
  const left = [
    'iif "leg-1" oif "ext0" ip saddr 192.0.2.11 ip daddr 203.0.113.9 ip ttl 62',
    'tcp sport 49999 tcp dport 443 tcp flags == syn',
  ]
  const passed = lines(
    [
      came,
      step('purlin-live', `begin rule ${nonce} meta nftrace set 1 (verdict continue)`),
      step('purlin-live', 'begin verdict continue'),
      step('purlin-live', 'begin policy accept'),
      step('purlin-live', `end packet: ${left.join(' ')}`),
      step('purlin-live', `end rule ${nonce} drop (verdict drop)`),
    ].join('\n'),
  )
  t.true(isOver(passed))
  t.deepEqual(judgeHop(passed), {
    outcome: 'passed',
    device: 'ext0',
    packet: '192.0.2.11 -> 203.0.113.9 tcp 49999 -> 443',
  })
})

test('a drop names table, chain and rule; a policy has no rule', (t) => {
  const rule = 'iifname "ext0" counter packets 0 bytes 0 drop'
  const dropped = lines(`${came}\n${step('purlin-router', `pass rule ${rule} (verdict drop)`)}`)
  t.true(isOver(dropped))
  const by = `table inet purlin-router, chain pass: ${rule}`
  t.deepEqual(judgeHop(dropped), { outcome: 'dropped', by })
  const policy = lines('trace id 1 ip6 somebody shut policy drop')
  t.is(judgeHop(policy).by, 'table ip6 somebody, chain shut')
})

test('what is taken in, lost or never seen is told apart', (t) => {
  const host = `${came}\ntrace id 1 inet purlin-live host rule @nh,320,128 0x01 drop (verdict drop)`
  t.is(judgeHop(lines(host)).outcome, 'taken')
  t.is(judgeHop(lines(came)).outcome, 'lost')
  t.false(isOver(lines(came)))
  t.is(judgeHop([]).outcome, 'unseen')
  t.is(readTraceLine('add table inet purlin-live'), undefined)
})
