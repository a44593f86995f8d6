/** Inside a private host: DHCP of a port group beside a plain dnsmasq, round by round. The order is
 *  the one argument, the findings go to standard output. */
import { mkdir, mkdtemp, rename, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { systemClock } from '@purlin/base'
import { useOfTree } from '../process-tree.ts'
import type { ServiceFindings, ServiceRound } from './findings.ts'
import { type Bench, crowd, startSide, within, writeOurs, writePlain } from './server.ts'

interface Order {
  readonly rounds: number
  readonly roundMs: number
  readonly reservations: number
  readonly slots: number
  /** The program that asks. */
  readonly client: string
}

const PATIENCE_MS = 30_000
const CHANGE_PAUSE_MS = 250

const order: Order = JSON.parse(process.argv[2] ?? '{}')
const folder = await mkdtemp(join(tmpdir(), 'purlin-services-'))
const machines = crowd(order.reservations)
const sides: Bench[] = []
try {
  for (const [name, write] of [
    ['ours', writeOurs],
    ['plain', writePlain],
  ] as const) {
    const own = join(folder, name)
    await mkdir(own)
    await write(own, machines)
    sides.push(await startSide(own, name))
  }
  const findings: ServiceFindings = {
    reservations: order.reservations,
    slots: order.slots,
    ours: [],
    plain: [],
    changing: [],
  }
  const [ours, plain] = sides
  if (ours === undefined || plain === undefined) throw new Error('a side did not start')
  for (let round = -1; round < order.rounds; round++) {
    const measured = {
      ours: await measure(ours),
      plain: await measure(plain),
      changing: await whileChanging(ours, () => measure(ours)),
    }
    // The first round leases everything for the first time.
    if (round < 0) continue
    findings.ours.push(measured.ours)
    findings.plain.push(measured.plain)
    findings.changing.push(measured.changing)
  }
  process.stdout.write(JSON.stringify(findings))
} finally {
  for (const { dnsmasq, server, client } of sides) {
    for (const child of [dnsmasq, server, client]) child.kill('SIGKILL')
  }
  await rm(folder, { recursive: true, force: true })
}

async function measure({ client, dnsmasq }: Bench): Promise<ServiceRound> {
  const load = {
    machines: machines.map(({ mac, ipv4 }) => ({ mac, address: ipv4[0] })),
    slots: order.slots,
    durationMs: order.roundMs,
    patienceMs: PATIENCE_MS,
  }
  const before = (await useOfTree(dnsmasq.pid ?? 0)).cpuMs
  const text = await within(client, process.execPath, order.client, JSON.stringify(load))
  const cpuMs = (await useOfTree(dnsmasq.pid ?? 0)).cpuMs - before
  const { answered, perSecond, p50Ms, p99Ms, lost, wrong } = JSON.parse(text)
  const cpuMicroseconds = (cpuMs * 1_000) / Math.max(1, answered)
  return { answers: answered, perSecond, p50Ms, p99Ms, lost, wrong, cpuMicroseconds }
}

/** Adds and removes one reservation after the other, each with what it takes to have it read. */
async function whileChanging<Value>(
  { folder: own, dnsmasq }: Bench,
  work: () => Promise<Value>,
): Promise<Value> {
  const reservations = join(own, 'port-groups', 'bench', 'reservations')
  let over = false
  const changes = async (): Promise<void> => {
    while (!over) {
      const file = join(reservations, '5254ff000001')
      await writeFile(join(reservations, '.passing'), '52:54:ff:00:00:01,10.77.200.1,change\n')
      await rename(join(reservations, '.passing'), file)
      await systemClock.sleep(CHANGE_PAUSE_MS)
      await rm(file)
      dnsmasq.kill('SIGHUP')
      await systemClock.sleep(CHANGE_PAUSE_MS)
    }
  }
  const changing = changes()
  try {
    return await work()
  } finally {
    over = true
    await changing
  }
}
