import { PurlinError } from '@purlin/base'
import type { Client } from '@purlin/sdk'
import { askFromClient, type PlainClient } from '../clients.ts'
import type { PrivateHost } from '../host.ts'
import type { Endpoint } from './endpoint.ts'
import { type Question, questionLines, readAnswers } from './question.ts'

/** A "no" is only known when this has passed: a SYN is sent again after a second, so two tries
 *  fit. */
const WAIT_MS = 2_500
const PROBE = '/bin/probe'

/** What the traffic of one asker said. */
export interface Measured {
  readonly asker: Endpoint
  readonly questions: readonly Question[]
  readonly passes: readonly boolean[]
  /** Packets of all the asker's questions. */
  readonly sent: number
  readonly received: number
}

/** Puts all questions at the same time, each from inside its own guest or client. Those that should
 *  pass and did not are put once more: on a busy machine an answer may come too late, and a verdict
 *  stays what it is. Errors: PUR_EXEC_FAILED when a probe does not run, and those of the agent. */
export async function measure(
  client: Client,
  host: PrivateHost,
  clients: readonly PlainClient[],
  questions: readonly Question[],
  isExpected: (question: Question) => boolean,
): Promise<readonly Measured[]> {
  const first = await askAll(client, host, clients, questions)
  const missing = first.flatMap(({ questions: own, passes }) =>
    own.filter((question, index) => passes[index] === false && isExpected(question)),
  )
  if (missing.length === 0) return first
  const again = await askAll(client, host, clients, missing)
  return first.map((before) => withSecond(before, again))
}

/** What an asker's questions said, with the answers that came the second time. Pure. */
function withSecond(before: Measured, again: readonly Measured[]): Measured {
  const after = again.find(({ asker }) => asker === before.asker)
  if (after === undefined) return before
  const late = new Set(after.questions.filter((_, index) => after.passes[index] === true))
  return {
    ...before,
    passes: before.questions.map(
      (question, index) => before.passes[index] === true || late.has(question),
    ),
    sent: before.sent + after.sent,
    received: before.received + after.received,
  }
}

async function askAll(
  client: Client,
  host: PrivateHost,
  clients: readonly PlainClient[],
  questions: readonly Question[],
): Promise<readonly Measured[]> {
  const byAsker = Map.groupBy(questions, ({ from }) => from)
  return await Promise.all(
    [...byAsker].map(async ([asker, own]) => {
      const lines = questionLines(own)
      const plain = clients.find(({ name }) => name === asker.name)
      const text =
        plain === undefined
          ? await askFromGuest(client, asker, lines)
          : await askFromClient(host, plain, WAIT_MS, lines)
      return { asker, questions: own, ...readAnswers(text, own.length) }
    }),
  )
}

async function askFromGuest(client: Client, guest: Endpoint, lines: string): Promise<string> {
  const machine = guest.port?.spec.virtualMachine ?? guest.name
  const answer = await client.virtualMachines.exec(machine, [PROBE, 'ask', String(WAIT_MS)], {
    input: lines,
    timeoutMs: WAIT_MS + 30_000,
  })
  if (answer.exitCode === 0) return answer.stdout
  throw new PurlinError('PUR_EXEC_FAILED', {
    message: `the probe in ${machine} ended with ${answer.exitCode}: ${answer.stderr.trim().slice(-300)}`,
  })
}

/** Starts echo servers in a guest for those ports that its image does not serve already. */
export async function serveInGuest(
  client: Client,
  guest: Endpoint,
  ports: { readonly tcp: readonly number[]; readonly udp: readonly number[] },
): Promise<void> {
  const machine = guest.port?.spec.virtualMachine ?? guest.name
  const tables = ['/bin/busybox', 'cat', '/proc/net/tcp6', '/proc/net/udp6']
  const held = heldPorts((await client.virtualMachines.exec(machine, tables)).stdout)
  const missing = missingPorts(ports, held)
  if (missing.length === 0) return
  // The guest agent waits until its command's output is closed, so the server must let go of it.
  const script = 'probe serve "$@" </dev/null >/dev/null 2>&1 &'
  await client.virtualMachines.exec(machine, ['/bin/sh', '-c', script, 'serve', ...missing])
}

/** Ports held in a guest, by its /proc/net/tcp6 and udp6 one after the other (proc(5)): TCP that
 *  listens (0A), UDP that is bound (07). Pure. */
export function heldPorts(tables: string): {
  readonly tcp: ReadonlySet<number>
  readonly udp: ReadonlySet<number>
} {
  const of = (state: string): Set<number> => {
    const line = new RegExp(`^ *\\d+: [0-9A-F]{32}:([0-9A-F]{4}) [0-9A-F]{32}:0000 ${state} `, 'gm')
    return new Set([...tables.matchAll(line)].map(([, port = '0']) => Number.parseInt(port, 16)))
  }
  return { tcp: of('0A'), udp: of('07') }
}

function missingPorts(
  wanted: { readonly tcp: readonly number[]; readonly udp: readonly number[] },
  held: ReturnType<typeof heldPorts>,
): readonly string[] {
  const tcp = wanted.tcp.filter((port) => !held.tcp.has(port)).map(String)
  const udp = wanted.udp.filter((port) => !held.udp.has(port)).map(String)
  return [...tcp, ...(udp.length === 0 ? [] : ['-u', ...udp])]
}
