import { type Fact, fact } from '@purlin/base'
import { readDomain } from '../domain/read.ts'
import { readPowerState } from '../machine/power-state.ts'
import type { DomainRecord } from '../port/libvirt-port.ts'
import type { ObservedMachine, VirtObserved } from './types.ts'

/** Sorts libvirt's domains into Purlin's and foreign ones. Pure. */
export function readObserved(records: readonly DomainRecord[]): VirtObserved {
  const machines: ObservedMachine[] = []
  const foreign: { name: string; uuid: string }[] = []
  for (const record of records) {
    const machine = readMachine(record)
    if (machine === undefined) foreign.push({ name: record.name, uuid: record.uuid })
    else machines.push(machine)
  }
  return { machines: machines.toSorted(byName), foreign: foreign.toSorted(byName) }
}

/** The machine of a domain; undefined where Purlin's mark is on neither of its two forms. */
export function readMachine(record: DomainRecord): ObservedMachine | undefined {
  const active = record.id !== undefined
  const current = readDomain(record.xml)
  const next = record.inactiveXml === undefined ? current : readDomain(record.inactiveXml)
  if (current === undefined || next === undefined) return undefined
  const mark = next.mark ?? (active ? current.mark : undefined)
  if (mark === undefined) return undefined
  return {
    name: record.name,
    uuid: record.uuid,
    state: readPowerState(record.state),
    active,
    persistent: record.persistent,
    specHash: next.mark?.specHash ?? '',
    defined: next,
    ...(active && { live: current }),
    tapsInUse: active ? current.nics.map((nic) => nic.tapDevice) : [],
  }
}

/** What the virt lane tells the others: machines that are active and the NICs they hold. */
export function readFacts(observed: VirtObserved): ReadonlySet<Fact> {
  const facts = new Set<Fact>()
  for (const machine of observed.machines) {
    if (!machine.active) continue
    facts.add(fact('vm', machine.name, 'running'))
    for (const nic of machine.live?.nics ?? []) {
      if (nic.port !== '') facts.add(fact('nic', nic.port, 'in-use'))
    }
  }
  return facts
}

function byName(one: { readonly name: string }, other: { readonly name: string }): number {
  return one.name < other.name ? -1 : 1
}
