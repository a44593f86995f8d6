import { parseAddress, type Run } from '@purlin/base'
import { inNamespace } from '../links/batch.ts'
import { INSIDE_DEVICE, type ServiceDesired } from './service.ts'

const START_PATIENCE_MS = 10_000

/** Where a service is asked whether it lives. */
export interface ServiceQuestions {
  /** Address that names are asked of; absent where none are served. */
  readonly dns?: string
  /** Address that DHCP of IPv4 is asked of; absent where none is served. */
  readonly dhcp?: string
  /** The same of IPv6. */
  readonly dhcp6?: string
}

/** The questions that the service must be able to answer. Pure. */
export function questionsOf(service: ServiceDesired): ServiceQuestions {
  const [first] = service.addresses.map(plainOf)
  const familyOf = (family: 'ipv4' | 'ipv6'): string | undefined =>
    service.leasing.find((address) => parseAddress(address)?.family === family)
  const [four, six] = [familyOf('ipv4'), familyOf('ipv6')]
  return {
    ...(first !== undefined && service.sockets.includes(53) && { dns: first }),
    ...(four !== undefined && { dhcp: four }),
    ...(six !== undefined && { dhcp6: six }),
  }
}

/** Reads questions that were written to a file; none where there are none. */
export function readQuestions(value: unknown): ServiceQuestions {
  const { dns, dhcp, dhcp6 } = (typeof value === 'object' && value !== null ? value : {}) as {
    readonly dns?: unknown
    readonly dhcp?: unknown
    readonly dhcp6?: unknown
  }
  const address = (text: unknown): string | undefined =>
    typeof text === 'string' && parseAddress(text) !== undefined ? text : undefined
  const [asked, leased, leased6] = [address(dns), address(dhcp), address(dhcp6)]
  return {
    ...(asked !== undefined && { dns: asked }),
    ...(leased !== undefined && { dhcp: leased }),
    ...(leased6 !== undefined && { dhcp6: leased6 }),
  }
}

/** A program of its own, because a process cannot enter another network namespace and come back. It
 *  asks dnsmasq for its version (CHAOS TXT version.bind) and for the options of a machine it knows
 *  (DHCPINFORM, RFC 2131 section 4.4.3; information-request, RFC 8415 section 18.2.6; they lease
 *  nothing), and prints what was not answered. In IPv6 a server learns the machine's MAC from its
 *  neighbours, which a probe is none of, or from a relay (RFC 6939): so the probe is one, at the
 *  link's own address, where the answer comes back to its socket and not to the server's. */
const PROGRAM = `
import { createSocket } from 'node:dgram'
import { networkInterfaces } from 'node:os'
const { dns, dhcp, dhcp6, device, link, mac, limitMs } = JSON.parse(process.argv[1])
const asked = []
const ask = (name, port, server, local, message, fits) =>
  asked.push(new Promise((resolve) => {
    const type = server.includes(':') ? 'udp6' : 'udp4'
    const socket = createSocket({ type, reuseAddr: local.port === 547 })
    const over = (missing) => {
      clearInterval(again)
      clearTimeout(last)
      socket.close()
      resolve(missing)
    }
    const again = setInterval(() => socket.send(message, port, server), limitMs / 3)
    const last = setTimeout(over, limitMs, [name])
    socket.on('error', () => {})
    socket.on('message', (answer) => { if (fits(answer)) over([]) })
    socket.bind(local, () => socket.send(message, port, server))
  }))
if (dns) {
  const name = Buffer.from('\\x07version\\x04bind\\0', 'latin1')
  const head = Buffer.from([0x50, 0x55, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0])
  const message = Buffer.concat([head, name, Buffer.from([0, 16, 0, 3])])
  ask('dns', 53, dns, { port: 0 }, message, (answer) => answer.readUInt16BE(0) === 0x5055)
}
if (dhcp && mac) {
  const message = Buffer.alloc(244)
  message.set([1, 1, 6, 0, 0x50, 0x55, 0x52, 0x4c])
  message.set(dhcp.split('.').map(Number), 12)
  message.set(Buffer.from(mac, 'hex'), 28)
  message.set([0x63, 0x82, 0x53, 0x63, 53, 1, 8, 255], 236)
  const fits = (answer) => answer.readUInt32BE(4) === 0x5055524c
  ask('dhcp', 67, dhcp, { port: 68, address: dhcp }, message, fits)
}
const isOfLink = ({ address, scopeid }) => scopeid > 0 && address.startsWith('fe80:')
const own = networkInterfaces()[device]?.find(isOfLink)?.address
if (dhcp6 && mac && own) {
  const head = Buffer.from([11, 0x50, 0x55, 0x52])
  const request = Buffer.concat([head, Buffer.from('0001000a00030001' + mac, 'hex')])
  const message = Buffer.concat([
    Buffer.from('0c00' + link + 'fe80' + '00'.repeat(14), 'hex'),
    Buffer.from('004f00080001' + mac, 'hex'),
    Buffer.from([0, 9, 0, request.length]),
    request,
  ])
  const reply = Buffer.from([7, 0x50, 0x55, 0x52])
  const fits = (answer) => answer[0] === 13 && answer.includes(reply)
  ask('dhcp6', 547, dhcp6, { port: 547, address: own + '%' + device }, message, fits)
}
const missing = (await Promise.all(asked)).flat()
process.stdout.write(JSON.stringify(missing))
process.exit(0)
`

/** Asks the service in the network namespace of `processId` and answers what it left unanswered for
 *  `limitMs`: `dns`, `dhcp`, `dhcp6`. `mac` is of any machine it knows, 12 digits; without one DHCP
 *  is not asked. Errors: those of `run`. */
export async function probeService(
  run: Run,
  processId: number,
  questions: ServiceQuestions,
  options: { readonly mac?: string; readonly limitMs: number; readonly signal?: AbortSignal },
): Promise<readonly string[]> {
  const { mac, limitMs, signal } = options
  const link = parseAddress(questions.dhcp6 ?? '')
    ?.value.toString(16)
    .padStart(32, '0')
  const words = JSON.stringify({ ...questions, device: INSIDE_DEVICE, link, mac, limitMs })
  const node = [process.execPath, '--input-type=module', '--eval', PROGRAM, '--', words]
  const [program = '', ...args] = inNamespace(processId, node)
  const timeoutMs = limitMs + START_PATIENCE_MS
  const { stdout } = await run(program, args, { timeoutMs, ...(signal && { signal }) })
  const missing: unknown = JSON.parse(stdout)
  return Array.isArray(missing) ? missing.map(String) : []
}

function plainOf(address: string): string {
  return address.slice(0, address.indexOf('/'))
}
