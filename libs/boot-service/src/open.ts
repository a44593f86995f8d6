import { PurlinError, run as runProgram, systemClock } from '@purlin/base'
import { dhcpConfiguration } from './dhcp/configuration.ts'
import { closedFolderAbove, dhcpFiles, makeOpenFolder } from './dhcp/folder.ts'
import { hostsText } from './dhcp/hosts.ts'
import { DhcpKeeper, type DhcpNews, type DhcpWanted } from './dhcp/keeper.ts'
import { placeLoaders } from './dhcp/loaders.ts'
import type { LogFact } from './dhcp/log-line.ts'
import { serviceUser } from './dhcp/user.ts'
import { Guard } from './guard.ts'
import { listen } from './http/listen.ts'
import { Site } from './http/site.ts'
import { Machines } from './known.ts'
import type { BootNotice } from './notice.ts'
import { OnceInAWhile } from './once-in-a-while.ts'
import { ForeignServerWatch } from './rogue/watch.ts'
import { serverAddressOf } from './server-address.ts'
import type { BootHost, BootService, BootServiceOptions } from './service.ts'

const HTTP_PORT = 8088
const HTTPS_PORT = 8448
const TELL_AGAIN_MS = 10 * 60_000

/** Opens DHCP, TFTP and HTTP of a deployment network. Resolves when all three answer; where one
 *  does not, nothing is left running. Errors: PUR_BOOT_INTERFACE, PUR_BOOT_DHCP, PUR_BOOT_LISTEN,
 *  PUR_BOOT_LOADER. */
export async function openBootService(options: BootServiceOptions): Promise<BootService> {
  const { network, subnet, folder, desk, clock = systemClock, run = runProgram } = options
  const { httpPort = HTTP_PORT, httpsPort = HTTPS_PORT, biosLoader = 'ipxe' } = options
  const serverAddress = await serverAddressOf(options.interface, subnet.cidr, run)
  const files = dhcpFiles(folder)
  const user = await serviceUser(options.user, run)
  const urls = {
    http: `http://${serverAddress}:${httpPort}`,
    ...(options.tls !== undefined && { https: `https://${serverAddress}:${httpsPort}` }),
  }
  const machines = new Machines()
  const notices = new OnceInAWhile(TELL_AGAIN_MS, clock)
  const tell = (notice: BootNotice): void => options.onNotice(notice)
  const wanted = (): DhcpWanted => ({
    hosts: hostsText(machines.all(), subnet.cidr, serverAddress),
    configuration: dhcpConfiguration({
      ...{ interface: options.interface, serverAddress, subnet, files, biosLoader },
      ...{ httpUrl: urls.http, enrolOpen: machines.enrolOpen() },
      ...(user !== undefined && { user }),
    }),
  })

  await makeOpenFolder(folder)
  await refuseClosedFolder(files.hosts, user)
  await placeLoaders(files.tftp, biosLoader === 'pxelinux')
  const watch = new ForeignServerWatch({
    ...{ network, interface: options.interface, serverAddress, clock, onNotice: tell },
  })
  const onFact = (fact: LogFact): void => {
    const notice = noticeOf(fact, network, machines)
    if (notice?.mac === undefined || watch.isProbe(notice.mac)) return
    if (notices.passes(`${notice.what} ${notice.mac}`)) tell(notice)
  }
  const onNews = (news: DhcpNews): void => tell(noticeOfNews(news, network))
  const keeper = new DhcpKeeper({ files, serverAddress, clock, onFact, onNews }, wanted())
  const { readNeighbours } = options
  const guard = new Guard({
    ...{ machines, interface: options.interface, leaseFile: files.leases, clock },
    ...(readNeighbours !== undefined && { readNeighbours }),
  })
  const site = new Site({
    ...{ network, desk, guard, urls, clock, tftpFolder: files.tftp },
    systemFile: options.systemFile,
    onAccess: options.onAccess ?? (() => {}),
    onFault: (message) => tell({ what: 'fault', level: 'warning', message }),
    onHostile: (address, why) => {
      if (!notices.passes(`hostile ${address} ${why}`)) return
      const message = `${address} on network ${network}: ${why}`
      tell({ what: 'hostile-request', level: 'warning', address, message })
    },
  })
  const listening = await listen({
    ...{ address: serverAddress, httpPort, httpsPort, site },
    ...(options.tls !== undefined && { tls: options.tls }),
  })
  try {
    await keeper.open()
  } catch (thrown) {
    await listening.close()
    throw thrown
  }
  watch.start()

  return {
    urls,
    setHosts: async (hosts: readonly BootHost[]) => {
      // Checked before anything changes: what was known stays known.
      hostsText(hosts, subnet.cidr, serverAddress)
      machines.replace(hosts)
      await keeper.take(wanted())
    },
    setEnrol: async (open) => {
      machines.setEnrol(open)
      await keeper.take(wanted())
    },
    status: () => ({
      urls,
      dhcp: keeper.state(),
      enrolOpen: machines.enrolOpen(),
      hosts: machines.all().length,
      foreignServers: watch.known(),
    }),
    probeForeignServers: () => watch.look(),
    close: async () => {
      site.close()
      await Promise.all([watch.close(), listening.close()])
      await keeper.close()
    },
  }
}

/** dnsmasq reads its hosts after it has become its user, and would only log that it cannot. */
async function refuseClosedFolder(file: string, user: string | undefined): Promise<void> {
  const closed = user === undefined || user === 'root' ? undefined : await closedFolderAbove(file)
  if (closed === undefined) return
  throw new PurlinError('PUR_BOOT_DHCP', {
    message: `start DHCP: its user ${user} cannot enter ${closed}; allow it: chmod o+x ${closed}`,
    context: { folder: closed },
  })
}

/** dnsmasq says of a MAC that is known only then that it is ignored when its processor is one that
 *  no loader of ours is for. */
function noticeOf(fact: LogFact, network: string, machines: Machines): BootNotice | undefined {
  if (fact.fact !== 'ignored') return undefined
  const { mac } = fact
  const name = machines.host(mac)?.name
  if (name === undefined && !machines.enrolOpen()) {
    const message = `${mac} asked for an address on network ${network} and is not known: it got none`
    return { what: 'stranger', level: 'note', mac, message }
  }
  const message = `${name ?? mac} on network ${network} has a processor that no boot loader here is for (32-bit UEFI, or ARM): it got no address`
  return { what: 'architecture-refused', level: 'warning', mac, message }
}

function noticeOfNews({ what, message }: DhcpNews, network: string): BootNotice {
  const words = `DHCP of network ${network}: ${message}`
  switch (what) {
    case 'ended':
      return { what: 'dhcp-ended', level: 'warning', message: words }
    case 'serves':
      return { what: 'dhcp-serves', level: 'note', message: words }
    case 'failed':
      return { what: 'dhcp-failed', level: 'alert', message: words }
  }
}
