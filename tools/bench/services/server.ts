import { type ChildProcess, spawn } from 'node:child_process'
import { mkdir, readlink, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { run, systemClock } from '@purlin/base'
import { type PortGroupDesired, type ReservationDesired, serviceOf } from '@purlin/vswitch'

const GATEWAY = '10.77.0.1'
const READY_DEADLINE_MS = 10_000

/** A DHCP server in a namespace of its own, with a client's namespace at the other end of a
 *  cable. */
export interface Bench {
  readonly server: ChildProcess
  readonly client: ChildProcess
  /** Folder of the reservations, where the side has one. */
  readonly folder: string
  dnsmasq: ChildProcess
}

/** As many machines as asked for, each with a MAC and an address of its own. */
export function crowd(count: number): readonly ReservationDesired[] {
  return Array.from({ length: count }, (_, index): ReservationDesired => {
    const hex = (index + 1).toString(16).padStart(6, '0')
    const mac = `52:54:02:${hex.slice(0, 2)}:${hex.slice(2, 4)}:${hex.slice(4)}`
    const address = `10.77.${1 + Math.floor(index / 250)}.${1 + (index % 250)}`
    return { hostName: `many-${index + 1}`, mac, ipv4: [address], ipv6: [] }
  })
}

/** The files of dnsmasq as a port group has them: its reservations in a folder, a file for each. */
export async function writeOurs(
  folder: string,
  reservations: readonly ReservationDesired[],
): Promise<void> {
  const group: PortGroupDesired = {
    name: 'bench',
    switch: 'dvs0',
    vlan: 0,
    mtu: 1500,
    served: true,
    subnets: [
      {
        cidr: '10.77.0.0/16',
        gateway: GATEWAY,
        dhcp: { from: '10.77.1.1', to: '10.77.254.254', leaseSeconds: 3600 },
      },
    ],
    dns: { domain: 'bench.example', forwarders: [] },
    reservations,
  }
  const service = serviceOf(group, { runFolder: folder, serviceUser: 'root' })
  const own = join(folder, 'port-groups', 'bench')
  for (const [name, files] of [
    ['reservations', service?.reservations],
    ['names', service?.names],
  ] as const) {
    await mkdir(join(own, name), { recursive: true })
    for (const [file, text] of files ?? []) await writeFile(join(own, name, file), text)
  }
  await writeFile(join(folder, 'dnsmasq.conf'), service?.configuration ?? '')
}

/** The files of a plain dnsmasq: the same subnet and machines in its one file of hosts. */
export async function writePlain(
  folder: string,
  reservations: readonly ReservationDesired[],
): Promise<void> {
  const lines = reservations.map(({ mac, ipv4, hostName }) => `${mac},${ipv4[0]},${hostName}\n`)
  await writeFile(join(folder, 'hosts'), lines.join(''))
  const words = [
    'user=root',
    'interface=eth0',
    'bind-interfaces',
    'no-hosts',
    'no-resolv',
    'log-facility=-',
    'pid-file=',
    'domain=bench.example',
    'quiet-dhcp',
    'dhcp-authoritative',
    'no-ping',
    'dhcp-lease-max=65536',
    `dhcp-leasefile=${join(folder, 'leases')}`,
    `dhcp-hostsfile=${join(folder, 'hosts')}`,
    'dhcp-range=10.77.0.0,static,255.255.0.0,3600',
  ]
  await writeFile(join(folder, 'dnsmasq.conf'), `${words.join('\n')}\n`)
}

/** Starts the namespaces of a side and its dnsmasq. */
export async function startSide(folder: string, cable: string): Promise<Bench> {
  const [server, client] = [await holder(), await holder()]
  const end = (name: string, of: ChildProcess): readonly string[] => [
    'name',
    name,
    'netns',
    `${of.pid}`,
  ]
  const words = [
    'link',
    'add',
    ...end('eth0', server),
    'type',
    'veth',
    'peer',
    ...end('eth0', client),
  ]
  await run('ip', words, { timeoutMs: 10_000 })
  for (const [of, address] of [
    [server, `${GATEWAY}/16`],
    [client, '10.77.255.254/16'],
  ] as const) {
    await within(of, 'ip', 'link', 'set', 'lo', 'up')
    await within(of, 'ip', 'address', 'add', address, 'dev', 'eth0')
    await within(of, 'ip', 'link', 'set', 'eth0', 'up')
  }
  await within(client, 'ip', 'route', 'add', '255.255.255.255/32', 'dev', 'eth0')
  const program = ['dnsmasq', '--keep-in-foreground', `--conf-file=${join(folder, 'dnsmasq.conf')}`]
  const entered = [`--net=/proc/${server.pid}/ns/net`, '--', ...program]
  const dnsmasq = spawn('nsenter', entered, { stdio: 'ignore', cwd: '/' })
  const endMs = systemClock.monotonicMs() + READY_DEADLINE_MS
  while (!(await within(server, 'ss', '-lun')).includes(':67 ')) {
    if (systemClock.monotonicMs() > endMs) throw new Error(`dnsmasq of ${cable} does not listen`)
    await systemClock.sleep(50)
  }
  return { server, client, folder, dnsmasq }
}

/** Runs a program in the namespace of a process. */
export async function within(of: ChildProcess, ...words: readonly string[]): Promise<string> {
  const entered = [`--net=/proc/${of.pid}/ns/net`, '--', ...words]
  return (await run('nsenter', entered, { timeoutMs: 120_000 })).stdout
}

async function holder(): Promise<ChildProcess> {
  const child = spawn('unshare', ['--net', '--', 'sleep', 'infinity'], { stdio: 'ignore' })
  const ours = await readlink('/proc/self/ns/net')
  const endMs = systemClock.monotonicMs() + READY_DEADLINE_MS
  while ((await readlink(`/proc/${child.pid}/ns/net`).catch(() => ours)) === ours) {
    if (systemClock.monotonicMs() > endMs) throw new Error('no network namespace was made')
    await systemClock.sleep(5)
  }
  return child
}
