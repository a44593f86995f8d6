import { compareIdentity } from '@purlin/bmc'
import type { DiscoveryReport } from '@purlin/schema'
import type { Judgement } from './event.ts'
import type { Life } from './life.ts'

/** Compares what a machine says of itself with what its BMC says and with its enrolment. Pure. */
export function judgeReport(life: Life, { system, nics }: DiscoveryReport): Judgement {
  const machine = {
    ...(system.uuid !== undefined && { uuid: system.uuid }),
    ...(system.serial !== undefined && { serial: system.serial }),
  }
  const bootMacSeen = nics.some(({ mac }) => mac.toLowerCase() === life.bootMac)
  const known = life.identity ?? { uuids: [], serials: [] }
  const macs = nics.slice(0, 8).map(({ mac }) => mac)
  const words = [
    `it tells ${told(machine)}`,
    `its BMC ${told({ uuid: known.uuids[0], serial: known.serials.join(' or ') })}`,
    bootMacSeen
      ? `it has the enrolled MAC ${life.bootMac}`
      : `the enrolled MAC ${life.bootMac} is not among ${macs.join(', ') || 'none'}`,
  ].join('; ')
  return { identity: compareIdentity(known, machine), bootMacSeen, words }
}

/** Compares what a boot loader read of the machine with its BMC, before anything is served. Where
 *  the loader tells nothing, nothing is known. Pure. */
export function judgeLoader(
  life: Life,
  machine: { readonly uuid?: string; readonly serial?: string },
): { readonly machine: Judgement['identity']; readonly words: string } {
  const known = life.identity ?? { uuids: [], serials: [] }
  const words = `its loader tells ${told(machine)}; its BMC ${told({
    uuid: known.uuids[0],
    serial: known.serials.join(' or '),
  })}`
  return { machine: compareIdentity(known, machine), words }
}

function told({
  uuid = '',
  serial = '',
}: {
  readonly uuid?: string | undefined
  readonly serial?: string | undefined
}): string {
  return `UUID ${uuid || 'none'}, serial number ${serial || 'none'}`
}
