import { type ChildProcessByStdio, spawn } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import type { Readable, Writable } from 'node:stream'
import { PurlinError, systemClock } from '@purlin/base'
import type { Manifest } from '@purlin/schema'
import { NFT } from '../sandbox/nft.ts'
import { Sandbox } from '../sandbox/sandbox.ts'
import { loadManifest, ofKind } from '../sandbox/up/manifest.ts'
import type { Progress } from '../setup/progress.ts'
import type { PeerAnswer } from './peer.ts'
import { useOfTree } from './process-tree.ts'
import { quantile, type Summary, summarize } from './quantile.ts'

const EDITS = 200
const CHECKED_EVERY = 10
const STARTS = 5
const IDLE_MS = 5_000
const GROUP = 'ops'
/** Ports of the edits; each differs from the one before, so that no edit is empty. */
const FIRST_PORT = 20_000

/** What `./purlin bench agent` found. Times are milliseconds. */
export interface AgentBench {
  /** API call to the end of its task, which follows the kernel's read-back. */
  readonly edit: Summary
  /** The same change by the nft program, loaded and read back by hand. */
  readonly peer: Summary
  /** Medians: how many times longer the agent takes than the peer. */
  readonly ratio: number
  readonly editCpuMs: number
  readonly peerCpuMs: number
  /** Start of the process to its first answer. */
  readonly start: Summary
  readonly idleResidentMiB: number
  /** Edits whose rule was looked for in the kernel by another way, and found. */
  readonly checked: number
}

/** Measures the agent on the example's rules, its machines stopped: rule edits and the peer's by
 *  turns, then starts, then the idle agent. Errors: PUR_NFT_READ_BACK when an edit is not in the
 *  kernel though its task has ended. */
export async function benchAgent(progress: Progress, signal: AbortSignal): Promise<AgentBench> {
  await using sandbox = await progress.step('sandbox', () =>
    Sandbox.start({ drift: 'repair', named: false }),
  )
  const { documents, manifests } = await loadManifest(undefined)
  await progress.step('manifest applied, machines stopped', async () => {
    const task = await sandbox.client.apply(documents.map(stopped))
    await task.wait({ signal })
  })
  const group = ofKind(manifests, 'SecurityGroup').find(({ name }) => name === GROUP)
  if (group === undefined) throw new PurlinError('PUR_INVALID', { message: `no group ${GROUP}` })
  const edits = await progress.step(`${EDITS} edits, by turns with nft`, (tell) =>
    measureEdits(sandbox, group, tell, signal),
  )
  const starts = await progress.step(`${STARTS} starts`, () => measureStarts(sandbox))
  const idleResidentMiB = await progress.step('idle', async () => {
    await systemClock.sleep(IDLE_MS, signal)
    return (await useOfTree(sandbox.agentProcess.pid ?? 0)).residentMiB
  })
  return { ...edits, start: summarize(starts), idleResidentMiB: Math.round(idleResidentMiB) }
}

type Edits = Omit<AgentBench, 'start' | 'idleResidentMiB'>

async function measureEdits(
  sandbox: Sandbox,
  group: Manifest<'SecurityGroup'>,
  tell: (detail: string) => void,
  signal: AbortSignal,
): Promise<Edits> {
  const peer = openPeer(sandbox)
  const agentMs: number[] = []
  const peerAnswers: PeerAnswer[] = []
  let agentCpuMs = 0
  let checked = 0
  // One edit and one answer of the peer before counting: connections open, caches fill.
  for (let turn = -1; turn < EDITS; turn++) {
    signal.throwIfAborted()
    const port = FIRST_PORT + 1 + turn
    const cpuBefore = (await useOfTree(sandbox.agentProcess.pid ?? 0)).cpuMs
    const startMs = systemClock.monotonicMs()
    const task = await sandbox.client.securityGroups.put(withPort(group, port))
    await task.wait({ signal })
    const tookMs = systemClock.monotonicMs() - startMs
    const cpuMs = (await useOfTree(sandbox.agentProcess.pid ?? 0)).cpuMs - cpuBefore
    const answer = await peer.change(port)
    if (turn < 0) continue
    agentMs.push(tookMs)
    agentCpuMs += cpuMs
    peerAnswers.push(answer)
    if (turn % CHECKED_EVERY === 0) {
      await assertInKernel(sandbox, port)
      checked++
    }
    tell(`${turn + 1}`)
  }
  await peer.end()
  const edit = summarize(agentMs)
  const peerMs = peerAnswers.map(({ tookMs }) => tookMs)
  const round = (value: number): number => Math.round(value * 100) / 100
  return {
    edit,
    peer: summarize(peerMs),
    ratio: round(quantile(agentMs, 0.5) / quantile(peerMs, 0.5)),
    editCpuMs: round(agentCpuMs / EDITS),
    peerCpuMs: round(peerAnswers.reduce((sum, { cpuMs }) => sum + cpuMs, 0) / EDITS),
    checked,
  }
}

async function measureStarts(sandbox: Sandbox): Promise<readonly number[]> {
  const times: number[] = []
  for (let turn = 0; turn < STARTS; turn++) {
    await sandbox.stopAgent()
    const startMs = systemClock.monotonicMs()
    await sandbox.restartAgent()
    times.push(systemClock.monotonicMs() - startMs)
  }
  return times
}

interface Peer {
  change(port: number): Promise<PeerAnswer>
  end(): Promise<void>
}

function openPeer({ host }: Sandbox): Peer {
  const script = join(import.meta.dirname, 'peer.ts')
  const node = [process.execPath, '--conditions=purlin-source', script]
  const [program, ...args] = host.enter(node)
  const child: ChildProcessByStdio<Writable, Readable, null> = spawn(program, args, {
    stdio: ['pipe', 'pipe', 'inherit'],
  })
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]()
  return {
    change: async (port) => {
      child.stdin.write(`${port}\n`)
      const { value, done } = await lines.next()
      if (done === true) {
        throw new PurlinError('PUR_EXEC_FAILED', { message: 'the peer ended: see what it said' })
      }
      return JSON.parse(value) as PeerAnswer
    },
    end: async () => {
      const ended = once(child, 'exit')
      child.stdin.end()
      await ended
    },
  }
}

async function assertInKernel({ host }: Sandbox, port: number): Promise<void> {
  const { stdout } = await host.run(NFT, ['list', 'table', 'inet', 'purlin'])
  if (stdout.includes(`tcp dport ${port} `)) return
  throw new PurlinError('PUR_NFT_READ_BACK', {
    message: `the edit to port ${port} is said to be in force, but the kernel’s rules do not name it`,
  })
}

function withPort(group: Manifest<'SecurityGroup'>, port: number): Manifest<'SecurityGroup'> {
  const [first, ...rest] = group.spec.inbound
  const inbound = first === undefined ? rest : [{ ...first, ports: [String(port)] }, ...rest]
  return { ...group, spec: { ...group.spec, inbound } }
}

function stopped(document: unknown): unknown {
  const { kind, spec } = document as { kind: string; spec: Record<string, unknown> }
  if (kind !== 'VirtualMachine') return document
  return { ...(document as object), spec: { ...spec, powerState: 'stopped' } }
}
