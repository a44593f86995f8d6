/** What the agent's rule edit is measured against: the same change by hand, with the nft program
 *  started for each call. It runs inside the host. Each line of standard input is a port; the chain
 *  of a table of its own gets its rules anew with that port, is read back, and the answer is a line
 *  of JSON: how long it took, and the CPU time of both. */
import { createInterface } from 'node:readline'
import { run, systemClock } from '@purlin/base'
import { NFT } from '../sandbox/nft.ts'
import { useOfTree } from './process-tree.ts'

const TIMEOUT_MS = 10_000

/** One answer of the peer. */
export interface PeerAnswer {
  readonly tookMs: number
  readonly cpuMs: number
}

/** The rules of the example's group `ops` with `port` in the first: the edit that the agent gets
 *  too. */
export function rulesText(port: string): string {
  const rules = [
    `ip saddr 10.77.0.200/29 tcp dport ${port} counter drop`,
    'ip saddr 10.77.0.0/24 tcp dport 22 counter accept',
    'ip saddr 10.77.0.0/24 meta l4proto icmp counter accept',
  ]
  const added = rules.map((rule) => `add rule inet peer edited ${rule}\n`).join('')
  return `flush chain inet peer edited\n${added}`
}

if (import.meta.main) {
  const nft = (args: readonly string[], input = ''): ReturnType<typeof run> =>
    run(NFT, args, { timeoutMs: TIMEOUT_MS, input })
  await nft(['-f', '-'], 'add table inet peer\nadd chain inet peer edited\n')
  for await (const port of createInterface({ input: process.stdin })) {
    const cpuBefore = await childCpuMs()
    const startMs = systemClock.monotonicMs()
    await nft(['-f', '-'], rulesText(port))
    const { stdout } = await nft(['--json', 'list', 'chain', 'inet', 'peer', 'edited'])
    if (!stdout.includes(`"right": ${port}`)) throw new Error(`port ${port} was not read back`)
    const tookMs = systemClock.monotonicMs() - startMs
    const answer: PeerAnswer = { tookMs, cpuMs: (await childCpuMs()) - cpuBefore }
    process.stdout.write(`${JSON.stringify(answer)}\n`)
  }
}

/** CPU time of this process's tree; its own part is small beside that of the programs it starts. */
async function childCpuMs(): Promise<number> {
  return (await useOfTree(process.pid)).cpuMs
}
