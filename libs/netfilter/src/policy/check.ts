import {
  type AddressFamily,
  type Problem,
  PurlinError,
  parseAddress,
  parseCidr,
} from '@purlin/base'
import type { FilteredNic, MemberAddresses, NetfilterDesired } from './desired.ts'

const DEVICE = /^[A-Za-z0-9_][A-Za-z0-9_.-]{0,14}$/
const PORT = /^[a-z0-9-]+\.[a-z0-9-]+$/
const MAC = /^[0-9a-f]{2}(:[0-9a-f]{2}){5}$/
const GROUP = /^[a-z0-9-]{1,63}$/

/** NICs, lists of members and lists of their addresses that were found right before; values never
 *  change in place. */
const sound = new WeakSet<object>()
/** The NICs whose groups were all found in these. */
const grouped = new WeakMap<NetfilterDesired['groups'], NetfilterDesired['nics']>()
/** The members of a group that were found right last: most of them stay. */
const soundMembers = new Map<string, readonly MemberAddresses[]>()

/** Texts that were read before, as `FAMILY TEXT`: hosts are compiled again and again, and nearly
 *  all of their addresses stay. */
const readable = new Set<string>()
const READABLE_MAX = 65_536

/** Refuses whatever must not reach the text of a rule set. The nft program takes an unknown word in
 *  place of an address for a host name and asks a name server, so nothing goes to it unchecked.
 *  Errors: PUR_INVALID with a problem per finding. */
export function checkDesired(desired: NetfilterDesired): void {
  const problems: Problem[] = []
  const report = (path: string, message: string): void => {
    problems.push({ path, message })
  }
  const unique = new Map<string, string>()
  const isKnown = sound.has(desired.nics)
  const isGrouped = isKnown && grouped.get(desired.groups) === desired.nics
  const nics = isGrouped ? [] : desired.nics
  nics.forEach((nic, index) => {
    for (const group of nic.groups) {
      if (!desired.groups.has(group)) {
        report(`nics[${index}].groups`, `no security group ${group}`)
      }
    }
    if (isKnown) return
    const path = `nics[${index}]`
    if (!sound.has(nic)) checkNic(nic, path, report)
    for (const claim of [nic.port, nic.tap, nic.inner, `zone ${nic.zone}`]) {
      const holder = unique.get(claim)
      if (holder !== undefined) report(path, `${claim} is taken by ${holder}`)
      unique.set(claim, nic.port)
    }
  })
  for (const names of isGrouped ? [desired.members] : [desired.groups, desired.members]) {
    for (const name of names.keys()) {
      if (!isGroupName(name)) report('groups', `"${name}" is no name of a group`)
    }
  }
  const fresh: object[] = []
  for (const [name, members] of desired.members) {
    if (sound.has(members)) continue
    fresh.push(members)
    const former = soundMembers.get(name)
    members.forEach((member, index) => {
      if (member === former?.[index]) return
      const { ipv4, ipv6 } = member
      if (sound.has(ipv4) && sound.has(ipv6)) return
      checkAddresses(ipv4, 'ipv4', `members.${name}`, report)
      checkAddresses(ipv6, 'ipv6', `members.${name}`, report)
      fresh.push(ipv4, ipv6)
    })
  }
  if (problems.length === 0) {
    if (!isKnown) for (const nic of desired.nics) sound.add(nic)
    sound.add(desired.nics)
    grouped.set(desired.groups, desired.nics)
    for (const one of fresh) sound.add(one)
    if (soundMembers.size >= READABLE_MAX) soundMembers.clear()
    for (const [name, members] of desired.members) soundMembers.set(name, members)
    return
  }
  const shown = problems.slice(0, 3).map((one) => `${one.path}: ${one.message}`)
  throw new PurlinError('PUR_INVALID', {
    message: `the rule set of this host cannot be made: ${shown.join('; ')}`,
    problems,
  })
}

const groupNames = new Set<string>()

function isGroupName(name: string): boolean {
  if (groupNames.has(name)) return true
  if (!GROUP.test(name)) return false
  if (groupNames.size >= READABLE_MAX) groupNames.clear()
  groupNames.add(name)
  return true
}

type Report = (path: string, message: string) => void

function checkNic(nic: FilteredNic, path: string, report: Report): void {
  if (!PORT.test(nic.port)) report(`${path}.port`, `"${nic.port}" is not MACHINE.NIC`)
  if (!DEVICE.test(nic.tap)) report(`${path}.tap`, `"${nic.tap}" is no name of a device`)
  if (!DEVICE.test(nic.inner)) report(`${path}.inner`, `"${nic.inner}" is no name of a device`)
  if (!MAC.test(nic.mac)) report(`${path}.mac`, `"${nic.mac}" is no MAC in lower case`)
  if (!Number.isInteger(nic.zone) || nic.zone < 1 || nic.zone > 65_535) {
    report(`${path}.zone`, `${nic.zone} is not 1 to 65535`)
  }
  checkAddresses(nic.ipv4, 'ipv4', path, report)
  checkAddresses(nic.ipv6, 'ipv6', path, report)
  nic.allowedAddresses.forEach((text, index) => {
    if (MAC.test(text.toLowerCase()) || isReadable('ipv4', text) || isReadable('ipv6', text)) return
    if (parseCidr(text) !== undefined) return
    report(`${path}.allowedAddresses[${index}]`, `"${text}" is no address, network or MAC`)
  })
  nic.servers.forEach(({ address }, index) => {
    if (isReadable('ipv4', address) || isReadable('ipv6', address)) return
    report(`${path}.servers[${index}]`, `"${address}" is no address`)
  })
}

function isReadable(family: AddressFamily, text: string): boolean {
  const key = `${family} ${text}`
  if (readable.has(key)) return true
  if (parseAddress(text)?.family !== family) return false
  if (readable.size >= READABLE_MAX) readable.clear()
  readable.add(key)
  return true
}

function checkAddresses(
  texts: readonly string[],
  family: AddressFamily,
  path: string,
  report: Report,
): void {
  texts.forEach((text, index) => {
    if (!isReadable(family, text)) {
      report(`${path}.${family}[${index}]`, `"${text}" is no ${family} address`)
    }
  })
}
