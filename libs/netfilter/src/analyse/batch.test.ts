import { formatAddress } from '@purlin/base'
import type { PacketQuestion } from '@purlin/schema'
import test from 'ava'
import { hasPorts, type Packet } from '../packet.ts'
import { Generator } from '../testing/generator.ts'
import { boundariesOf, randomPacket } from '../testing/random-packet.ts'
import { randomDesired } from '../testing/random-policy.ts'
import { sampleDesired } from '../testing/sample.ts'
import { answerLine } from './batch.ts'
import { explainPacket } from './explain.ts'

const SEED = 20_260_202
const POLICIES = 30
const QUESTIONS = 100

function questionOf(packet: Packet, state: 'new' | 'established'): PacketQuestion {
  const { family, source, destination, protocol, sourcePort, destinationPort, icmp } = packet
  const text = (value: bigint): string => formatAddress({ family, value })
  return {
    from: text(source),
    to: text(destination),
    family,
    protocol,
    state,
    ...(hasPorts(protocol) && sourcePort !== undefined && { sourcePort }),
    ...(hasPorts(protocol) && destinationPort !== undefined && { destinationPort }),
    ...(icmp && { icmpType: icmp.type, icmpCode: icmp.code }),
  }
}

test(`a line of a batch says what the explanation says (seed ${SEED})`, (t) => {
  const random = new Generator(SEED)
  const verdicts = new Set<string>()
  for (let policy = 0; policy < POLICIES; policy++) {
    const desired = randomDesired(random)
    const bounds = boundariesOf(desired)
    for (let count = 0; count < QUESTIONS; count++) {
      const state = random.chance(80) ? 'new' : 'established'
      const question = questionOf(randomPacket(random, bounds), state)
      const { verdict, decidedBy } = explainPacket(desired, question)
      t.deepEqual(answerLine(desired, JSON.stringify(question), 1), { verdict, decidedBy })
      verdicts.add(`${verdict} ${decidedBy.type}`)
    }
  }
  t.true(verdicts.size > 4, [...verdicts].join())
})

test('a line that is no question is answered with its number and the path of each fault', (t) => {
  const paths = (text: string) => {
    const answer = answerLine(sampleDesired, text, 7)
    if (!('problems' in answer)) throw new Error('it was answered')
    t.regex(answer.message, /^line 7: /)
    return answer.problems.map(({ path }) => path)
  }
  t.deepEqual(paths('{'), [''])
  t.deepEqual(paths('[]'), [''])
  t.deepEqual(paths('{"from":"a","to":"b","protocol":"tcp","port":80}'), ['port'])
  t.deepEqual(paths('{"from":"a","protocol":"ftp"}').toSorted(), ['protocol', 'to'])
  t.deepEqual(paths('{"from":"a","to":"nobody","protocol":"tcp"}'), ['to'])
  t.deepEqual(paths('{"from":"a","to":"b","protocol":"tcp","state":"old"}'), ['state'])
})
