import test from 'ava'
import type { Connection } from '../netlink/index.ts'
import { reopened } from './reopened.ts'

const flow = (zone: number, protocol: number, from: bigint, to: bigint): Connection => {
  const original = {
    family: 'ipv4',
    source: from,
    destination: to,
    protocol,
    sourcePort: Number(from),
    destinationPort: Number(to),
  } as const
  const reply = {
    ...original,
    source: to,
    destination: from,
    sourcePort: Number(to),
    destinationPort: Number(from),
  }
  return { zone, original, reply, id: 1, mark: 0, status: 0, timeoutSeconds: 30 }
}

test('an answer that opens an ended UDP flow the other way round is found, and nothing else', (t) => {
  const ended = [flow(11, 17, 1n, 2n)]
  const back = flow(11, 17, 2n, 1n)
  const others = [
    flow(12, 17, 2n, 1n),
    flow(11, 17, 2n, 3n),
    flow(11, 132, 2n, 1n),
    flow(11, 17, 1n, 2n),
  ]
  t.deepEqual(reopened(ended, [...others, back]), [back])
})

test('TCP is left to the rule that a flow begins with SYN', (t) => {
  t.deepEqual(reopened([flow(11, 6, 1n, 2n)], [flow(11, 6, 2n, 1n)]), [])
})
