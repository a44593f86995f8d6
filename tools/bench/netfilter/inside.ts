/** Runs the measurements inside a private host: `inside.ts '{"rounds":5,"quick":false,"blast":
 *  FILE}'`. Findings go to standard output as JSON, progress to standard error. */
import { cpus, release } from 'node:os'
import { z } from 'zod'
import { measureCommits } from './commit.ts'
import type { FirstPacketRow, NetfilterFindings } from './findings.ts'
import { cases, measureFirstPacket } from './first-packet.ts'
import { measureThroughput } from './throughput.ts'

const COMMIT_TURNS = 40

const order = z
  .object({ rounds: z.number().int(), quick: z.boolean(), blast: z.string() })
  .parse(JSON.parse(process.argv[2] ?? ''))
const { rounds, quick, blast } = order
const tell = (part: string) => (detail: string) => process.stderr.write(`  ${part}: ${detail}\n`)
const stop = new AbortController()

const firstPacket: FirstPacketRow[] = []
for (const one of quick ? cases.slice(0, 2) : cases) {
  const name = `${one.nics} × ${one.rules} rules`
  firstPacket.push(...(await measureFirstPacket(one, rounds, blast, tell(name))))
}
const commits = await measureCommits(quick ? 3 : COMMIT_TURNS, tell('commits'), stop.signal)
const throughput = await measureThroughput(quick ? 1 : 3, blast, tell('throughput'))
stop.abort()
const machine = `${cpus()[0]?.model ?? 'unknown'}, ${cpus().length} cores, Linux ${release()}`
const findings: NetfilterFindings = { machine, firstPacket, commits, throughput }
process.stdout.write(JSON.stringify(findings))
