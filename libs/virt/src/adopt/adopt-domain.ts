import { PurlinError } from '@purlin/base'
import { asRead, DISK_IDENTITY, flat } from '../domain/difference.ts'
import type { DomainSpec } from '../domain/domain-spec.ts'
import { ADOPTED, MARK_NAMESPACE, MARK_PREFIX, XML_FORM } from '../domain/mark.ts'
import { markXml } from '../domain/xml.ts'
import { readMachine } from '../driver/observe.ts'
import type { CallOptions, LibvirtPort } from '../port/libvirt-port.ts'
import { type ForeignMachine, readForeign } from './foreign-machine.ts'

/** Puts Purlin's mark on the domain of that name and UUID, which somebody else made, and changes
 *  nothing else of it: it runs on, and what it is made of holds until its next start. Done twice it
 *  is done once. Errors: PUR_VIRT_NOT_ADOPTABLE with every obstacle and nothing changed,
 *  PUR_VIRT_NO_DOMAIN, PUR_VIRT_FAILED where the mark is not found afterwards. */
export async function adoptDomain(
  libvirt: LibvirtPort,
  spec: DomainSpec,
  call: CallOptions,
): Promise<void> {
  const { name } = spec
  const record = await libvirt.domain(name, call)
  const own = readMachine(record)
  if (own?.defined.mark !== undefined) return
  const foreign = readForeign(record)
  const obstacles = foreign === undefined ? ['its XML cannot be read'] : misfits(spec, foreign)
  if (foreign === undefined || obstacles.length > 0) throw notAdoptable(name, obstacles)
  const mark = {
    ...{ machine: name, specHash: ADOPTED, form: XML_FORM },
    ports: foreign.nics.flatMap(({ mac, tapDevice }) => {
      const nic = spec.nics.find((one) => one.mac.toLowerCase() === mac)
      return nic === undefined || tapDevice === '' ? [] : [{ port: nic.port, tapDevice }]
    }),
  }
  const element = { namespace: MARK_NAMESPACE, prefix: MARK_PREFIX, xml: markXml(mark) }
  // What runs is marked first: from then on it is Purlin's, and its NICs are known to be in use.
  if (record.id !== undefined) await libvirt.setMetadata(name, element, call)
  await libvirt.setMetadata(name, element, { ...call, inactive: true })
  if (readMachine(await libvirt.domain(name, call)) !== undefined) return
  throw new PurlinError('PUR_VIRT_FAILED', {
    message: `taking domain ${name} in: libvirt took the mark and does not give it back`,
  })
}

/** The error of a domain that cannot be taken in. */
export function notAdoptable(name: string, obstacles: readonly string[]): PurlinError {
  const message = `domain ${name} cannot be taken in, and nothing was changed: ${obstacles.join('; ')}`
  return new PurlinError('PUR_VIRT_NOT_ADOPTABLE', {
    message,
    problems: obstacles.map((obstacle) => ({ path: name, message: obstacle })),
    context: { domain: name },
  })
}

/** What keeps a domain from being the machine of that spec. Pure. */
function misfits(spec: DomainSpec, foreign: ForeignMachine): string[] {
  const found = [...foreign.obstacles]
  if (foreign.uuid !== spec.uuid) found.push(`its UUID is ${foreign.uuid}, not ${spec.uuid}`)
  const macs = (all: readonly { readonly mac: string }[]): string =>
    all
      .map(({ mac }) => mac.toLowerCase())
      .toSorted()
      .join(', ')
  if (macs(spec.nics) !== macs(foreign.nics)) {
    found.push(`its NICs are ${macs(foreign.nics) || 'none'}, not ${macs(spec.nics) || 'none'}`)
  }
  const wanted = flat((spec.disks ?? []).map(asRead), DISK_IDENTITY)
  const disks = flat(foreign.disks, DISK_IDENTITY)
  if (wanted !== disks) found.push(`its disks are ${disks}, not ${wanted}`)
  return found
}
