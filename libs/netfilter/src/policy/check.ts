import { type AddressFamily, type Problem, PurlinError, parseAddress } from '@purlin/base'
import type { FilteredNic, NetfilterDesired } from './desired.ts'

const DEVICE = /^[A-Za-z0-9_][A-Za-z0-9_.-]{0,14}$/
const PORT = /^[a-z0-9-]+\.[a-z0-9-]+$/
const MAC = /^[0-9a-f]{2}(:[0-9a-f]{2}){5}$/
const GROUP = /^[a-z0-9-]{1,63}$/

/** Refuses whatever must not reach the text of a rule set. The nft program takes an unknown word in
 *  place of an address for a host name and asks a name server, so nothing goes to it unchecked.
 *  Errors: PUR_INVALID with a problem per finding. */
export function checkDesired(desired: NetfilterDesired): void {
  const problems: Problem[] = []
  const report = (path: string, message: string): void => {
    problems.push({ path, message })
  }
  const unique = new Map<string, string>()
  desired.nics.forEach((nic, index) => {
    const path = `nics[${index}]`
    checkNic(nic, path, report)
    for (const claim of [nic.port, nic.tap, nic.inner, `zone ${nic.zone}`]) {
      const holder = unique.get(claim)
      if (holder !== undefined) report(path, `${claim} is taken by ${holder}`)
      unique.set(claim, nic.port)
    }
    for (const group of nic.groups) {
      if (!desired.groups.has(group)) report(`${path}.groups`, `no security group ${group}`)
    }
  })
  for (const name of [...desired.groups.keys(), ...desired.members.keys()]) {
    if (!GROUP.test(name)) report('groups', `"${name}" is no name of a group`)
  }
  for (const [name, members] of desired.members) {
    for (const member of members) {
      checkAddresses(member.ipv4, 'ipv4', `members.${name}`, report)
      checkAddresses(member.ipv6, 'ipv6', `members.${name}`, report)
    }
  }
  if (problems.length === 0) return
  const shown = problems.slice(0, 3).map((one) => `${one.path}: ${one.message}`)
  throw new PurlinError('PUR_INVALID', {
    message: `the rule set of this host cannot be made: ${shown.join('; ')}`,
    problems,
  })
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
}

function checkAddresses(
  texts: readonly string[],
  family: AddressFamily,
  path: string,
  report: Report,
): void {
  texts.forEach((text, index) => {
    if (parseAddress(text)?.family !== family) {
      report(`${path}.${family}[${index}]`, `"${text}" is no ${family} address`)
    }
  })
}
