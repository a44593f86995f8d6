import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Answer, BootDecision, Grant, NodeDesk, NodeFile, TreeName } from '../../src/desk.ts'
import { refusal } from '../../src/desk.ts'
import { newToken, tokenSha256 } from '../../src/token.ts'

/** A desk of a test: what it decides is set, what it was told is kept. */
export interface TestDesk extends NodeDesk {
  decision: BootDecision
  readonly told: string[]
  readonly files: Map<string, NodeFile>
  readonly trees: Map<string, string>
  eventAnswer: Answer
  orders: (signal: AbortSignal) => Promise<{ order: string }>
  /** Gives a new token to a node. */
  grant(node: string, addresses: readonly string[], expiresAtMs?: number): string
}

/** A desk that knows nothing yet. */
export function testDesk(): TestDesk {
  const grants = new Map<string, Grant>()
  const spent = new Set<string>()
  const desk: TestDesk = {
    decision: { boot: 'disk' },
    told: [],
    files: new Map(),
    trees: new Map(),
    eventAnswer: { ok: true },
    orders: async () => ({ order: 'wait' }),
    grant: (node, addresses, expiresAtMs = Number.POSITIVE_INFINITY) => {
      const token = newToken()
      const sha256 = tokenSha256(token)
      grants.set(sha256, { tokenSha256: sha256, node, addresses, expiresAtMs })
      return token
    },
    onBoot: async ({ mac, address, firmware, name = 'stranger', uuid = '', serial = '' }) => {
      desk.told.push(['boot', mac, address, firmware, name, uuid, serial].join(' ').trim())
      return desk.decision
    },
    grantOf: (sha256) => grants.get(sha256),
    fileOf: async (_grant, name, { url }) => {
      const file = desk.files.get(name)
      if (file === undefined) return refusal(404, `there is no file ${name}`)
      const { content } = file
      return typeof content === 'string'
        ? { ...file, content: content.replaceAll('NODE-URL', url) }
        : file
    },
    spendFile: async ({ tokenSha256: token }, name) => {
      const key = `${token} ${name}`
      // As a store that takes its time: the answer comes later, the decision does not.
      const isFirst = !spent.has(key)
      spent.add(key)
      await new Promise((resolve) => setImmediate(resolve))
      return isFirst
    },
    onEvent: async ({ node }, step, message) => {
      desk.told.push(`event ${node} ${step}${message === undefined ? '' : ` ${message}`}`)
      return desk.eventAnswer
    },
    onReport: async ({ node }, report) => {
      desk.told.push(`report ${node} ${JSON.stringify(report).slice(0, 100)}`)
      return { ok: true }
    },
    ordersOf: async (_grant, signal) => await desk.orders(signal),
    mayRead: async (_address, tree: TreeName) => {
      const path = desk.trees.get(`${tree.tree}/${tree.name}`)
      return path === undefined ? refusal(403, 'not for this node now') : { ok: true, path }
    },
    onMetrics: async (bearer, body) => {
      desk.told.push(`metrics ${bearer} ${body.length}`)
      return { status: bearer === 'good' ? 204 : 401, message: bearer === 'good' ? '' : 'who?' }
    },
  }
  return desk
}

/** A folder that is gone when the test is over. */
export async function temporaryFolder(after: {
  teardown(work: () => Promise<void>): void
}): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'purlin-boot-'))
  after.teardown(() => rm(folder, { recursive: true, force: true }))
  return folder
}
