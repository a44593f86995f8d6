import { systemClock } from '@purlin/base'
import type { Manifest } from '@purlin/schema'
import type { Progress } from '../../setup/progress.ts'
import { setUp } from '../../setup/set-up.ts'
import { chooseClientAddresses } from '../client-addresses.ts'
import { describeClient, type PlainClient, plugClient, serveInClient } from '../clients.ts'
import { Sandbox } from '../sandbox.ts'
import { clientEndpoint, type GuestEndpoints, guestEndpoints } from './endpoint.ts'
import { isExpected, policyOf } from './expected.ts'
import { loadManifest, ofKind, type UpManifest } from './manifest.ts'
import { type Measured, measure, serveInGuest } from './measure.ts'
import type { UpOptions } from './options.ts'
import { type Cell, type Question, questionsBetween } from './question.ts'
import { differences, madeLines, reportDocument, tableLines, type UpReport } from './report.ts'
import { sabotage } from './sabotage.ts'
import { portsToServe, type Service, servicesOf } from './service.ts'
import { stay } from './stay.ts'
import { waitForGuests } from './wait-for-guests.ts'

/** Runs `./purlin up`: a manifest becomes a running sandbox, its traffic is measured, and it stays until `signal`.
 *  Gives the exit code: 0 when every verdict is right, else 1. What is for people to follow goes to standard error
 *  while it happens; the result goes to standard output. */
export async function up(
  options: UpOptions,
  progress: Progress,
  signal: AbortSignal,
): Promise<number> {
  const startMs = systemClock.monotonicMs()
  const manifest = await loadManifest(options.file)
  await setUp({ yes: options.yes, sets: ['sandbox', 'build', 'guest'], progress })
  const setUpMs = systemClock.monotonicMs()
  signal.throwIfAborted()
  const drift = options.sabotage ? 'report' : 'repair'
  await using sandbox = await progress.step('sandbox: switch, libvirt, agent', () =>
    Sandbox.start({ drift, named: true }),
  )
  const made = await make(sandbox, manifest, progress, signal)
  const upMs = systemClock.monotonicMs()
  const flipped = options.sabotage
    ? await sabotage(sandbox.host, made.questions, (one) => isExpected(made.policy, one))
    : undefined
  if (flipped !== undefined) progress.note(flipped.sentence)
  const measured = await progress.step(`${made.questions.length} questions by real traffic`, () =>
    measure(sandbox.client, sandbox.host, made.clients, made.questions),
  )
  const endMs = systemClock.monotonicMs()
  const seconds = (from: number, to: number): number => Math.round((to - from) / 10) / 100
  const report: UpReport = {
    manifest: manifest.fileName,
    socket: sandbox.socket,
    machines: ofKind(manifest.manifests, 'VirtualMachine'),
    portGroups: ofKind(manifest.manifests, 'PortGroup'),
    guests: made.guests,
    clients: made.clients,
    measured,
    cells: judge(measured, (question) => isExpected(made.policy, question)),
    times: {
      setUp: seconds(startMs, setUpMs),
      up: seconds(setUpMs, upMs),
      table: seconds(upMs, endMs),
      altogether: seconds(startMs, endMs),
    },
  }
  print(report, options)
  if (!options.once) await stay(sandbox, signal)
  return differences(report.cells).length === 0 ? 0 : 1
}

interface Made {
  readonly guests: GuestEndpoints
  readonly clients: readonly PlainClient[]
  readonly questions: readonly Question[]
  readonly policy: ReturnType<typeof policyOf>
}

/** Applies the manifest, waits for its guests, and plugs the clients in meanwhile. */
async function make(
  sandbox: Sandbox,
  { documents, manifests }: UpManifest,
  progress: Progress,
  signal: AbortSignal,
): Promise<Made> {
  const { client } = sandbox
  await progress.step('manifest applied', async (tell) => {
    const task = await client.apply(documents)
    const onProgress = (now: { done: number; total: number; text: string }): void =>
      tell(`${now.done} of ${now.total} ${now.text}`)
    await task.wait({ signal, onProgress })
  })
  const machines = ofKind(manifests, 'VirtualMachine')
  const groups = ofKind(manifests, 'SecurityGroup')
  const ports = await client.ports.list()
  const guests = guestEndpoints(machines, ports)
  const services = servicesOf(groups)
  const serving = portsToServe(services)
  const [clients] = await Promise.all([
    plugClients(sandbox, ofKind(manifests, 'PortGroup'), groups, ports, services),
    progress.step('guests up, with their addresses', async (tell) => {
      let ready = 0
      const onReady = (name: string): void =>
        tell(`${++ready} of ${guests.measured.length}, ${name}`)
      await waitForGuests(client, guests.measured, onReady, signal)
      await Promise.all(guests.measured.map((guest) => serveInGuest(client, guest, serving)))
      tell(`${ready}`)
    }),
  ])
  const ends = [...guests.measured, ...clients.map(clientEndpoint)]
  const policy = policyOf(machines, groups, ports)
  return { guests, clients, questions: questionsBetween(ends, services), policy }
}

async function plugClients(
  { host }: Sandbox,
  portGroups: readonly Manifest<'PortGroup'>[],
  groups: readonly Manifest<'SecurityGroup'>[],
  ports: readonly Manifest<'Port'>[],
  services: readonly Service[],
): Promise<readonly PlainClient[]> {
  const { tcp, udp } = portsToServe(services)
  const taken = ports.flatMap(({ spec }) => [...spec.ipv4, ...spec.ipv6])
  const plugged = portGroups.map(async (portGroup) => {
    const clients = chooseClientAddresses(portGroup.spec, groups, taken)
      .filter(({ ipv4, ipv6 }) => ipv4 !== undefined || ipv6 !== undefined)
      .map((addresses, index) => describeClient(portGroup.name, index, addresses))
    for (const client of clients) {
      await plugClient(host, client, portGroup)
      serveInClient(host, client, tcp, udp)
    }
    return clients
  })
  return (await Promise.all(plugged)).flat()
}

function judge(
  measured: readonly Measured[],
  expected: (question: Question) => boolean,
): readonly Cell[] {
  return measured.flatMap(({ questions, passes }) =>
    questions.map((question, index) => ({
      ...question,
      passes: passes[index] ?? false,
      expected: expected(question),
    })),
  )
}

function print(report: UpReport, { output }: UpOptions): void {
  const text =
    output === 'json'
      ? JSON.stringify(reportDocument(report), null, 2)
      : [...madeLines(report), ...tableLines(report)].join('\n')
  process.stdout.write(`${text}\n`)
}
