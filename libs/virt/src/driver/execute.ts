import { type Clock, PurlinError } from '@purlin/base'
import { differences } from '../domain/difference.ts'
import type { DomainSpec } from '../domain/domain-spec.ts'
import { domainXml } from '../domain/xml.ts'
import { awaitPower } from '../machine/await-power.ts'
import type { ResumePace } from '../machine/resume-pace.ts'
import type { CallOptions, LibvirtPort } from '../port/libvirt-port.ts'
import { growDisk } from './disk-sizes.ts'
import { readMachine } from './observe.ts'
import type { ObservedMachine, VirtStep } from './types.ts'

export interface ExecuteContext {
  readonly libvirt: LibvirtPort
  readonly clock: Clock
  readonly pace: ResumePace
}

/** How long a machine may need for the last of a change of power to show. */
const SETTLE_MS = 10_000

/** Executes one step and reads back what it did; a step whose work is done already does nothing.
 *  Errors: PUR_VIRT_NAME_TAKEN where the domain is not Purlin's, PUR_VIRT_FAILED where the reading
 *  differs from what was asked for, and those of LibvirtPort. */
export async function executeVirtStep(
  context: ExecuteContext,
  step: VirtStep,
  signal: AbortSignal,
): Promise<void> {
  const call: CallOptions = { deadlineMs: step.deadlineMs, signal }
  const found = await findOwn(context.libvirt, step.machine, call)
  if (step.spec !== undefined) return await define(context, step.spec, call)
  if (found === undefined) {
    if (step.verb === 'undefine' || step.verb === 'destroy' || step.verb === 'stop') return
    throw new PurlinError('PUR_VIRT_NO_DOMAIN', {
      message: `${step.verb} of machine ${step.machine}: libvirt has no such domain; it is defined anew by the next plan`,
    })
  }
  await actOn(context, step, found, call)
}

async function actOn(
  { libvirt, clock, pace }: ExecuteContext,
  step: VirtStep,
  found: ObservedMachine,
  call: CallOptions,
): Promise<void> {
  const { machine, verb } = step
  const settle = { deadlineMs: SETTLE_MS, ...(call.signal && { signal: call.signal }) }
  switch (verb) {
    case 'start':
      if (!found.active) await libvirt.start(machine, call)
      await awaitPower(libvirt, clock, machine, ['running'], settle)
      return
    case 'resume':
      if (found.state !== 'paused') return
      if (found.ioError) pace.admit(machine)
      await libvirt.resume(machine, call)
      // A disk that still does not answer may have stopped it again by now.
      await awaitPower(libvirt, clock, machine, ['running', 'paused'], settle)
      return
    case 'wake':
      if (found.state === 'sleeping') await libvirt.wakeup(machine, call)
      await awaitPower(libvirt, clock, machine, ['running'], settle)
      return
    case 'grow':
      if (found.active && step.disk !== undefined) await growDisk(libvirt, machine, step.disk, call)
      return
    case 'stop':
      if (found.active) await stop(libvirt, clock, step, found, call)
      return
    case 'destroy':
      if (found.active) await destroy(libvirt, clock, machine, call)
      return
    case 'undefine':
      await undefine(libvirt, machine, call)
      return
    default:
      throw new PurlinError('PUR_INTERNAL', { message: `${verb} of ${machine}: no spec given` })
  }
}

/** Purlin's domain of that name. Errors: PUR_VIRT_NAME_TAKEN. */
async function findOwn(
  libvirt: LibvirtPort,
  name: string,
  call: CallOptions,
): Promise<ObservedMachine | undefined> {
  try {
    const machine = readMachine(await libvirt.domain(name, call))
    if (machine !== undefined) return machine
  } catch (thrown) {
    if (isCode(thrown, 'PUR_VIRT_NO_DOMAIN')) return undefined
    throw thrown
  }
  throw new PurlinError('PUR_VIRT_NAME_TAKEN', {
    message: `machine ${name}: libvirt has a domain of that name which is not Purlin’s; rename one of the two`,
    context: { domain: name },
  })
}

async function define(
  { libvirt }: ExecuteContext,
  spec: DomainSpec,
  call: CallOptions,
): Promise<void> {
  await libvirt.defineXml(domainXml(spec), call)
  const found = await findOwn(libvirt, spec.name, call)
  const left = found === undefined ? ['everything'] : differences(spec, found.defined)
  if (left.length === 0 && found?.persistent === true) return
  throw new PurlinError('PUR_VIRT_FAILED', {
    message: `defining machine ${spec.name}: libvirt took the definition but gives back another: ${left.join(', ')}`,
    context: { differs: left },
  })
}

/** The guest is asked, then its power is taken. A guest that cannot be asked is not waited for. */
async function stop(
  libvirt: LibvirtPort,
  clock: Clock,
  step: VirtStep,
  found: ObservedMachine,
  call: CallOptions,
): Promise<void> {
  const { machine, graceMs = 0 } = step
  const canHear = found.state === 'running' || found.state === 'stopping'
  if (graceMs > 0 && canHear) {
    try {
      await libvirt.shutdown(machine, call)
      const options = { deadlineMs: graceMs, ...(call.signal && { signal: call.signal }) }
      await awaitPower(libvirt, clock, machine, ['stopped', 'absent'], options)
      return
    } catch (thrown) {
      // Refused: it went by itself meanwhile. Late: it does not listen. Both end below.
      if (!isCode(thrown, 'PUR_DEADLINE_PASSED') && !isCode(thrown, 'PUR_VIRT_REFUSED')) {
        throw thrown
      }
    }
  }
  await destroy(libvirt, clock, machine, call)
}

async function destroy(
  libvirt: LibvirtPort,
  clock: Clock,
  machine: string,
  call: CallOptions,
): Promise<void> {
  try {
    await libvirt.destroy(machine, call)
  } catch (thrown) {
    if (!isCode(thrown, 'PUR_VIRT_REFUSED') && !isCode(thrown, 'PUR_VIRT_NO_DOMAIN')) throw thrown
  }
  const options = { deadlineMs: SETTLE_MS, ...(call.signal && { signal: call.signal }) }
  await awaitPower(libvirt, clock, machine, ['stopped', 'absent'], options)
}

async function undefine(libvirt: LibvirtPort, machine: string, call: CallOptions): Promise<void> {
  await libvirt.undefine(machine, call)
  const left = await findOwn(libvirt, machine, call)
  if (left === undefined) return
  throw new PurlinError('PUR_VIRT_FAILED', {
    message: `removing machine ${machine}: libvirt still has its domain, ${left.state}; stop it first`,
  })
}

function isCode(thrown: unknown, code: PurlinError['code']): boolean {
  return thrown instanceof PurlinError && thrown.code === code
}
