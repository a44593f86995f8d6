import type { Manifest } from '@purlin/schema'
import type { Progress } from '../../setup/progress.ts'
import { chooseClientAddresses } from '../client-addresses.ts'
import { describeClient, type PlainClient, plugClient, serveInClient } from '../clients.ts'
import type { Sandbox } from '../sandbox.ts'
import { clientEndpoint, type GuestEndpoints, guestEndpoints } from './endpoint.ts'
import { policyOf } from './expected.ts'
import { ofKind, type UpManifest } from './manifest.ts'
import { type Measured, serveInGuest } from './measure.ts'
import { type Cell, type Question, questionsBetween } from './question.ts'
import { portsToServe, type Service, servicesOf } from './service.ts'
import { waitForGuests } from './wait-for-guests.ts'

/** What stands when a manifest has been made true. */
export interface Made {
  readonly guests: GuestEndpoints
  readonly clients: readonly PlainClient[]
  readonly questions: readonly Question[]
  readonly policy: ReturnType<typeof policyOf>
}

/** Applies the manifest, waits for its guests, and plugs the clients in meanwhile. Errors: those of
 *  the apply task, PUR_DEADLINE_PASSED when a guest does not come up. */
export async function make(
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

/** Sets what traffic said beside what the policy says. Pure. */
export function judge(
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
