import test from 'ava'
import { digestOf, withoutObjects } from './observed.ts'
import { readTable } from './read.ts'

/** A listing as nft 1.0.6 prints it. */
function listing(...entries: object[]): string {
  const metainfo = { metainfo: { version: '1.0.6' } }
  const text = JSON.stringify({ nftables: [metainfo, ...entries] })
  return text.replaceAll('":', '": ').replaceAll(',"', ', "').replaceAll(',{', ', {')
}

const place = { family: 'inet', table: 'purlin' }
const owner = { counter: { ...place, name: 'owner-purlin', handle: 1, packets: 0, bytes: 0 } }
const chain = { chain: { ...place, name: 'list-1_0', handle: 4 } }
const rule = (handle: number, packets: number, port: number, comment = 'web/inbound/0') => ({
  rule: {
    ...place,
    chain: 'list-1_0',
    handle,
    comment,
    expr: [
      {
        match: {
          op: '==',
          left: { payload: { protocol: 'ip', field: 'saddr' } },
          right: '@group-web-ipv4',
        },
      },
      { match: { op: '==', left: { payload: { protocol: 'tcp', field: 'dport' } }, right: port } },
      { counter: { packets, bytes: packets * 60 } },
      { goto: { target: 'list-1_0-ipv4' } },
    ],
  },
})
const set = {
  set: {
    ...place,
    name: 'group-web-ipv4',
    type: 'ipv4_addr',
    handle: 5,
    elem: ['10.0.0.2', '10.0.0.1'],
  },
}
const dispatch = {
  map: {
    ...place,
    name: 'dispatch',
    type: 'mark',
    handle: 6,
    map: 'verdict',
    elem: [
      [
        { elem: { val: 0x5000000a, counter: { packets: 9, bytes: 9 } } },
        { jump: { target: 'list-1_0' } },
      ],
    ],
  },
}
const digest = (text: string): string =>
  digestOf({ bridge: undefined, inet: readTable('inet', text) })

test('reads chains with their rules in order, sets and maps', (t) => {
  const table = readTable(
    'inet',
    listing(owner, set, dispatch, chain, rule(7, 3, 80), rule(8, 0, 81, 'default')),
  )
  t.true(table.owned)
  t.deepEqual(table.sets.get('group-web-ipv4'), ['10.0.0.1', '10.0.0.2'])
  t.deepEqual([...(table.maps.get('dispatch') ?? [])], [['0x5000000a', 'jump list-1_0']])
  const found = table.chains.get('inet/list-1_0')
  t.deepEqual(found?.ruleIds, ['web/inbound/0', 'default'])
  t.deepEqual(found?.references.toSorted(), ['group-web-ipv4', 'inet/list-1_0-ipv4'])
})

test('counters and handles change nothing, one port does', (t) => {
  const before = listing(owner, dispatch, chain, rule(7, 3, 80))
  t.is(digest(before), digest(listing(owner, dispatch, chain, rule(99, 12_345, 80))))
  t.not(digest(before), digest(listing(owner, dispatch, chain, rule(7, 3, 81))))
})

test('the order of rules counts, that of objects does not', (t) => {
  const [one, two] = [rule(7, 0, 80), rule(8, 0, 81)]
  t.not(digest(listing(chain, one, two)), digest(listing(chain, two, one)))
  t.is(digest(listing(set, chain, one)), digest(listing(chain, one, set)))
})

test('a set of loose NICs may move', (t) => {
  const loose = (elem: number[]) => ({ set: { ...place, name: 'loose', type: 'mark', elem } })
  t.is(digest(listing(owner, loose([]))), digest(listing(owner, loose([0x5000000a]))))
})

test('a table without the mark is not ours', (t) => {
  t.false(readTable('inet', listing(chain)).owned)
})

test('what is left after a deletion is known before it is read', (t) => {
  const bridge = undefined
  const whole = {
    bridge,
    inet: readTable('inet', listing(owner, set, dispatch, chain, rule(7, 0, 80))),
  }
  const rest = { bridge, inet: readTable('inet', listing(owner, dispatch)) }
  const gone = { chains: new Set(['inet/list-1_0']), sets: new Set(['group-web-ipv4']) }
  t.is(digestOf(withoutObjects(whole, gone)), digestOf(rest))
})

test('an answer that is no listing is an error', (t) => {
  t.like(
    t.throws(() => readTable('inet', 'Segmentation fault')),
    { code: 'PUR_NFT_UNREADABLE' },
  )
})
