import { family, group, subsystem, tablesType, verdictAttribute, verdictCode } from './constants.ts'
import { openSocket } from './exchange.ts'
import { readPacket } from './headers.ts'
import { type Attributes, type Message, readMessages } from './reader.ts'
import type { Stop, TraceStep } from './socket.ts'

/** Numbers of `enum nft_trace_attributes`. */
const attribute = {
  table: 1,
  chain: 2,
  ruleHandle: 3,
  type: 4,
  verdict: 5,
  id: 6,
  network: 8,
  transport: 9,
  inputDevice: 10,
  outputDevice: 12,
  mark: 14,
  policy: 16,
} as const
const types = [undefined, 'policy', 'return', 'rule'] as const

/** Listens to the kernel's trace. Errors: PUR_NFT_UNREADABLE. */
export function watchTraces(onTrace: (step: TraceStep) => void): Stop {
  const socket = openSocket([group.trace])
  const type = (subsystem.tables << 8) | tablesType.trace
  socket.listen(({ messages }) => {
    for (const message of readMessages(messages)) {
      if (message.type === type) onTrace(readTrace(message))
    }
  })
  return () => socket.close()
}

const words = new Map(Object.entries(verdictCode).map(([word, code]) => [code as number, word]))

function readTrace({ attributes, family: number }: Message): TraceStep {
  const verdict = attributes.nested(attribute.verdict)
  const policy = attributes.u32(attribute.policy)
  const code = verdict?.u32(verdictAttribute.code) ?? policy
  const network = attributes.bytes(attribute.network)
  return {
    id: attributes.u32(attribute.id) ?? 0,
    table: attributes.text(attribute.table) ?? '',
    family: familyWord(number),
    chain: attributes.text(attribute.chain) ?? '',
    type: types[attributes.u32(attribute.type) ?? 0] ?? 'policy',
    ruleHandle: attributes.u64(attribute.ruleHandle),
    verdict: code === undefined ? '' : (words.get(code) ?? String(code)),
    target: verdict?.text(verdictAttribute.chain),
    mark: attributes.u32(attribute.mark) ?? 0,
    inputDevice: attributes.u32(attribute.inputDevice),
    outputDevice: attributes.u32(attribute.outputDevice),
    packet: network && packetOf(network, attributes),
  }
}

function packetOf(network: Uint8Array, attributes: Attributes): TraceStep['packet'] {
  return readPacket(network, attributes.bytes(attribute.transport))
}

function familyWord(number: number): TraceStep['family'] {
  return familyWords.get(number) ?? 'other'
}

const familyWords = new Map<number, TraceStep['family']>([
  [family.inet, 'inet'],
  [family.bridge, 'bridge'],
  [family.ipv4, 'ip'],
  [family.ipv6, 'ip6'],
])
