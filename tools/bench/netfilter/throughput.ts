import { z } from 'zod'
import { quantile } from '../quantile.ts'
import type { ThroughputRow } from './findings.ts'
import { hostLists } from './first-packet.ts'
import { MACHINE_ADDRESS, NicPath } from './path.ts'
import { type HostLists, type Peer, peers } from './peers.ts'
import { purlinSides } from './purlin.ts'
import type { PlainRule } from './rules.ts'

const RULES = 1_000
const SECONDS = 1
const PORT = 5201

const iperfAnswer = z.object({
  end: z.object({
    sum_received: z.object({ bits_per_second: z.number() }),
    cpu_utilization_percent: z.object({ host_total: z.number(), remote_total: z.number() }),
  }),
})

/** Asks every side by turns: iperf3 from the cable's side to the machine. The lists let the flow in
 *  by their last rule; the first side has no filter at all. */
export async function measureThroughput(
  rounds: number,
  blast: string,
  tell: (detail: string) => void,
): Promise<readonly ThroughputRow[]> {
  const lists = withOpenPort(hostLists({ nics: 1, rules: RULES }))
  const open: Peer = { name: 'no filter', program: '/usr/bin/true', args: [], text: () => '' }
  const sides = [open, ...peers.filter(({ name }) => name !== 'base'), ...purlinSides()]
  const standing: { side: Peer; path: NicPath; rates: number[]; cpu: number[] }[] = []
  try {
    for (const [index, side] of sides.entries()) {
      const path = await NicPath.make(`flow-${index}`, blast)
      standing.push({ side, path, rates: [], cpu: [] })
      await path.run(side.program, side.args, side.text(lists))
      const server = ['--server', '--daemon', '--port', String(PORT)]
      await path.run('iperf3', server, '', 'machine')
    }
    for (let round = 0; round < rounds; round++) {
      tell(`round ${round + 1} of ${rounds}`)
      for (const { path, rates, cpu } of standing) {
        const found = await flow(path)
        rates.push(found.sum_received.bits_per_second / 1e9)
        const { host_total, remote_total } = found.cpu_utilization_percent
        cpu.push(host_total + remote_total)
      }
    }
  } finally {
    // The servers end with the private host that all of this runs in.
    for (const { path } of standing) await path.remove()
  }
  return standing.map(({ side, rates, cpu }) => ({
    side: side.name,
    rules: RULES,
    gigabitPerSecond: quantile(rates, 0.5),
    cpuPercent: quantile(cpu, 0.5),
  }))
}

async function flow(path: NicPath): Promise<z.infer<typeof iperfAnswer>['end']> {
  const args = ['--client', MACHINE_ADDRESS, '--port', String(PORT), '--time', String(SECONDS)]
  const { stdout } = await path.run('iperf3', [...args, '--json'], '', 'outside')
  return iperfAnswer.parse(JSON.parse(stdout)).end
}

function withOpenPort({ lists, ...devices }: HostLists): HostLists {
  const letIn: PlainRule = {
    action: 'allow',
    source: '10.99.7.8',
    protocol: 'tcp',
    firstPort: PORT,
    lastPort: PORT,
  }
  return { ...devices, lists: lists.map((rules) => [...rules, letIn]) }
}
