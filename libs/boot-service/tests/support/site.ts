import { type IncomingHttpHeaders, request } from 'node:http'
import { systemClock } from '@purlin/base'
import { Guard } from '../../src/guard.ts'
import { type Listening, type ListenOptions, listen } from '../../src/http/listen.ts'
import { Site } from '../../src/http/site.ts'
import { Machines } from '../../src/known.ts'
import { type TestDesk, temporaryFolder, testDesk } from './desk.ts'

export interface Asking {
  readonly method?: string
  /** The address it comes from; loopback has 16 million. */
  readonly from?: string
  readonly headers?: Readonly<Record<string, string>>
  readonly body?: string | Buffer
}

export interface Told {
  readonly status: number
  readonly headers: IncomingHttpHeaders
  readonly body: Buffer
}

export interface TestSite {
  readonly desk: TestDesk
  readonly machines: Machines
  readonly listening: Listening
  readonly folder: string
  readonly hostile: string[]
  readonly access: string[]
  readonly faults: string[]
  /** The text of /proc/net/arp. */
  neighbours: string
  /** Files of `/system`. */
  readonly system: Map<string, string>
  ask(path: string, asking?: Asking): Promise<Told>
}

/** HTTP of a boot service at a port of loopback, without DHCP. */
export async function openSite(
  t: { teardown(work: () => Promise<void>): void },
  more: Partial<ListenOptions> = {},
): Promise<TestSite> {
  const folder = await temporaryFolder(t)
  const machines = new Machines()
  const desk = testDesk()
  const opened = { hostile: [], access: [], faults: [], neighbours: '', system: new Map() } as Pick<
    TestSite,
    'hostile' | 'access' | 'faults' | 'neighbours' | 'system'
  >
  const guard = new Guard({
    ...{ machines, interface: 'lo', leaseFile: `${folder}/leases`, clock: systemClock },
    readNeighbours: async () => opened.neighbours,
  })
  const urls = {
    http: 'http://10.88.0.1:8088',
    ...(more.tls !== undefined && { https: 'https://10.88.0.1:8448' }),
  }
  const site = new Site({
    network: 'deploy0',
    ...{ desk, guard, urls, tftpFolder: folder, clock: systemClock },
    systemFile: (name) => opened.system.get(name),
    onHostile: (address, why) => opened.hostile.push(`${address} ${why}`),
    onAccess: (line) => opened.access.push(line),
    onFault: (message) => opened.faults.push(message),
  })
  const listening = await listen({
    ...{ address: '127.0.0.1', httpPort: 0, httpsPort: 0, site },
    ...more,
  })
  t.teardown(async () => {
    site.close()
    await listening.close()
  })
  const ask = (path: string, asking: Asking = {}): Promise<Told> =>
    askOnce(listening.httpPort, path, asking)
  return Object.assign(opened, { desk, machines, listening, folder, ask })
}

/** One request on a connection of its own. */
export async function askOnce(port: number, path: string, asking: Asking): Promise<Told> {
  const { method = 'GET', from = '127.0.0.7', headers = {}, body } = asking
  return await new Promise((resolve, reject) => {
    const options = { host: '127.0.0.1', port, path, method, localAddress: from, agent: false }
    const sent = request({ ...options, headers }, (response) => {
      const parts: Buffer[] = []
      response.on('data', (part: Buffer) => parts.push(part))
      response.once('error', reject)
      response.once('end', () =>
        resolve({
          status: response.statusCode ?? 0,
          headers: response.headers,
          body: Buffer.concat(parts),
        }),
      )
    })
    sent.once('error', reject)
    sent.end(body)
  })
}
