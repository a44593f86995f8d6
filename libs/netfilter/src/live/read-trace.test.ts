import test from 'ava'
import type { TraceStep } from '../netlink/socket.ts'
import { readTrace, shownTrace } from './read-trace.ts'

const OWN = 'purlin-live-0a1b'

function step(words: string, verdict: string, handle?: bigint): TraceStep {
  const [family = '', table = '', chain = ''] = words.split(' ')
  return {
    id: 1,
    table,
    family: family as TraceStep['family'],
    chain,
    type: handle === undefined ? 'policy' : 'rule',
    ruleHandle: handle,
    verdict,
    target: verdict === 'jump' ? 'list-1' : undefined,
    mark: 0,
    inputDevice: undefined,
    outputDevice: undefined,
    packet: undefined,
  }
}

const begin = step(`bridge ${OWN} begin`, 'continue', 3n)
const end = step(`bridge ${OWN} end`, 'drop', 5n)
const host = step(`bridge ${OWN} host`, 'drop', 4n)
const listed = step('inet purlin list-1', 'accept', 9n)

test('a packet that comes to the probe’s own end passed, by the last accept of our lists', (t) => {
  const other = step('ip docker forward', 'accept', 2n)
  t.deepEqual(readTrace([begin, listed, other, end], OWN), { verdict: 'allow', decider: listed })
})

test('a packet that passed without our lists has no decider', (t) => {
  const policy = step('inet purlin base-raw', 'accept')
  t.deepEqual(readTrace([begin, policy, end], OWN), { verdict: 'allow', decider: undefined })
})

test('a packet that any rule or policy drops is denied by it', (t) => {
  for (const dropped of [step('bridge purlin guard-1', 'drop', 7n), step('ip docker f', 'drop')]) {
    t.deepEqual(readTrace([begin, dropped], OWN), { verdict: 'deny', decider: dropped })
  }
})

test('a packet whose end was not told has no verdict; its copy for the host is none', (t) => {
  t.is(readTrace([begin, host], OWN), undefined)
  t.is(readTrace([], OWN), undefined)
  t.is(readTrace([begin, host, listed, end], OWN)?.verdict, 'allow')
})

test('the way is shown without the probe’s own rules, by comment, else by handle', (t) => {
  const jump = step('inet purlin base-filter', 'jump', 8n)
  const notes = new Map([
    ['inet purlin list-1 9', { comment: 'web/inbound/0', byMap: false }],
    ['inet purlin base-filter 8', { comment: undefined, byMap: true }],
  ])
  t.deepEqual(shownTrace([begin, jump, listed, end], OWN, notes), [
    { table: 'inet purlin', chain: 'base-filter', rule: 'handle 8', verdict: 'jump list-1' },
    { table: 'inet purlin', chain: 'list-1', rule: 'web/inbound/0', verdict: 'accept' },
  ])
})
