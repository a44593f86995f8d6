import test from 'ava'
import { tablesType } from './constants.ts'
import { type Message, readMessages } from './reader.ts'
import type { RulesetChange } from './socket.ts'
import { ChangeCollector } from './watch-rules.ts'
import { MessageWriter } from './writer.ts'

const INET = 1
const ARP = 3
const OWN_PORT = 5

function notification(
  type: number,
  family: number,
  fill: (writer: MessageWriter) => void,
  port = OWN_PORT,
): Message {
  const writer = new MessageWriter()
  const start = writer.begin((10 << 8) | type, 0, 1, family)
  fill(writer)
  writer.end(start)
  const [message] = readMessages(writer.bytes())
  if (message === undefined) throw new Error('one message was written')
  return { ...message, port }
}

const ofChain = (table: string, family = INET): Message =>
  notification(tablesType.newChain, family, (writer) => {
    writer.text(1, table)
    writer.text(3, 'list-a_0')
  })
const generation = (number: number, port = OWN_PORT): Message =>
  notification(
    tablesType.newGeneration,
    0,
    (writer) => {
      writer.u32(1, number)
      writer.u32(2, 4711)
      writer.text(3, 'nft')
    },
    port,
  )

function collected(take: (collector: ChangeCollector) => void): readonly RulesetChange[] {
  const told: RulesetChange[] = []
  take(
    new ChangeCollector(
      () => new Set([OWN_PORT]),
      (change) => told.push(change),
    ),
  )
  return told
}

test('a transaction is told once it is whole, with who made it', (t) => {
  const [change, ...more] = collected((collector) => {
    collector.take(ofChain('purlin'))
    collector.take(ofChain('purlin'))
    collector.take(generation(7, 9))
  })
  t.deepEqual(change, {
    tables: new Set(['inet']),
    objects: ['chain inet/list-a_0'],
    own: false,
    processId: 4711,
    processName: 'nft',
    generation: 7,
    lost: false,
  })
  t.is(more.length, 0)
})

test('a transaction of our own socket is known as such', (t) => {
  const told = collected((collector) => {
    collector.take(ofChain('purlin'))
    collector.take(generation(8))
  })
  t.deepEqual(
    told.map(({ own }) => own),
    [true],
  )
})

test('transactions on tables of others, and on a family that we have none in, name none of ours', (t) => {
  const told = collected((collector) => {
    collector.take(ofChain('firewalld'))
    collector.take(generation(9))
    collector.take(ofChain('purlin', ARP))
    collector.take(generation(10))
  })
  t.deepEqual(
    told.map(({ tables, objects, generation }) => ({ tables, objects, generation })),
    [9, 10].map((generation) => ({ tables: new Set(), objects: [], generation })),
  )
})

test('after a loss the half of a transaction is not told as a whole one', (t) => {
  const told = collected((collector) => {
    collector.take(ofChain('purlin'))
    collector.lose()
    collector.take(generation(11))
  })
  t.deepEqual(
    told.map(({ lost, tables }) => ({ lost, tables: tables.size })),
    [
      { lost: true, tables: 0 },
      { lost: false, tables: 0 },
    ],
  )
})
