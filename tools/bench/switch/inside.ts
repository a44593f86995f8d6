/** Runs the measurements inside a private host that has an Open vSwitch: `inside.ts
 *  '{"socket":PATH,"runFolder":PATH,"quick":false}'`. Findings go to standard output as JSON. */
import { cpus, release } from 'node:os'
import { z } from 'zod'
import type { SwitchFindings } from './findings.ts'
import { measureMembership } from './membership.ts'
import { measurePorts } from './ports.ts'
import { measureThroughput } from './throughput.ts'
import { measureTransactions } from './transactions.ts'

const order = z
  .object({ socket: z.string(), runFolder: z.string(), quick: z.boolean() })
  .parse(JSON.parse(process.argv[2] ?? ''))
const { socket, runFolder, quick } = order
const tell = (detail: string): void => void process.stderr.write(`  ${detail}\n`)

tell('transactions')
const transactions = await measureTransactions(socket, quick ? 20 : 200)
tell('ports')
const ports = await measurePorts(socket, runFolder, quick ? 50 : 500, quick ? 1 : 2)
tell('throughput')
const throughput = await measureThroughput(socket, runFolder, quick ? 1 : 5)
tell('membership on another host')
const membership = await measureMembership(quick ? 20 : 200)
const machine = `${cpus()[0]?.model ?? 'unknown'}, ${cpus().length} cores, Linux ${release()}`
const findings: SwitchFindings = { machine, transactions, ports, throughput, membership }
process.stdout.write(JSON.stringify(findings))
