import { type Clock, PurlinError, toPurlinError } from '@purlin/base'
import { adoptDomain } from '../adopt/adopt-domain.ts'
import { differences } from '../domain/difference.ts'
import type { DomainSpec } from '../domain/domain-spec.ts'
import { domainXml } from '../domain/xml.ts'
import { awaitPower } from '../machine/await-power.ts'
import type { DeviceAsks } from '../machine/device-asks.ts'
import type { PowerOffs } from '../machine/power-offs.ts'
import type { ResumePace } from '../machine/resume-pace.ts'
import type { MachineRuns } from '../machine/runs.ts'
import type { CallOptions, LibvirtPort } from '../port/libvirt-port.ts'
import type { MachineHolds } from '../snapshot/holds.ts'
import { growDisk } from './disk-sizes.ts'
import { executeChange } from './execute-change.ts'
import { findOwn } from './find-own.ts'
import type { ObservedMachine, VirtStep, VirtVerb } from './types.ts'

export interface ExecuteContext {
  readonly libvirt: LibvirtPort
  readonly clock: Clock
  readonly pace: ResumePace
  readonly powerOffs: PowerOffs
  readonly asks: DeviceAsks
  readonly runs: MachineRuns
  readonly holds: MachineHolds
}

/** How long a machine may need for the last of a change of power to show. */
const SETTLE_MS = 10_000

/** Steps that are done where there is no domain. */
const NEEDS_NO_DOMAIN: ReadonlySet<VirtVerb> = new Set([
  'undefine',
  'destroy',
  'shutdown',
  'discard',
])

/** Executes one step and reads back what it did; a step whose work is done already does nothing.
 *  Errors: PUR_VIRT_NAME_TAKEN where the domain is not Purlin's, PUR_VIRT_FAILED where the reading
 *  differs from what was asked for, and those of LibvirtPort. */
export async function executeVirtStep(
  context: ExecuteContext,
  step: VirtStep,
  signal: AbortSignal,
): Promise<void> {
  const call: CallOptions = { deadlineMs: step.deadlineMs, signal }
  if (step.verb === 'adopt' && step.spec !== undefined) {
    return await adoptDomain(context.libvirt, step.spec, call)
  }
  const found = await findOwn(context.libvirt, step.machine, call)
  if (step.spec !== undefined) return await define(context, step.spec, call)
  if (found === undefined) {
    if (NEEDS_NO_DOMAIN.has(step.verb)) return
    throw new PurlinError('PUR_VIRT_NO_DOMAIN', {
      message: `${step.verb} of machine ${step.machine}: libvirt has no such domain; it is defined anew by the next plan`,
    })
  }
  await actOn(context, step, found, call)
}

async function actOn(
  { libvirt, clock, pace, powerOffs, asks, runs, holds }: ExecuteContext,
  step: VirtStep,
  found: ObservedMachine,
  call: CallOptions,
): Promise<void> {
  const { machine, verb } = step
  if (holds.has(machine)) return
  const settle = { deadlineMs: SETTLE_MS, ...(call.signal && { signal: call.signal }) }
  switch (verb) {
    case 'start':
    case 'restore': {
      const paused = step.paused ?? false
      if (step.memoryFile !== undefined && !found.active) {
        await libvirt.restoreFile(step.memoryFile, { ...call, paused })
      } else if (found.state === 'suspended') await restore(libvirt, machine, { ...call, paused })
      else if (!found.active) await libvirt.start(machine, { ...call, paused })
      if (!found.active) await runs.began(found.uuid, step.generation ?? 0)
      await awaitPower(libvirt, clock, machine, [paused ? 'paused' : 'running'], settle)
      return
    }
    case 'pause':
      if (found.state === 'running') await libvirt.suspend(machine, call)
      await awaitPower(libvirt, clock, machine, ['paused'], settle)
      return
    case 'save':
      if (found.active) await libvirt.save(machine, call)
      await awaitPower(libvirt, clock, machine, ['suspended', 'stopped'], settle)
      return
    case 'discard':
      if (found.state === 'suspended') await libvirt.discardSave(machine, call)
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
    case 'plug':
    case 'unplug':
    case 'tune':
    case 'mark':
      if (found.live !== undefined && step.change !== undefined) {
        await executeChange({ libvirt, asks }, machine, found.live, step.change, call)
      }
      return
    case 'shutdown':
      if (found.active && powerOffs.note(machine, step.graceMs ?? 0)) {
        await askToPowerOff(libvirt, machine, call)
      }
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

/** A machine whose saved memory cannot be taken up stays off: to start it without is for people to
 *  decide. */
async function restore(
  libvirt: LibvirtPort,
  machine: string,
  options: CallOptions & { readonly paused: boolean },
): Promise<void> {
  try {
    await libvirt.restore(machine, options)
  } catch (thrown) {
    if (!isCode(thrown, 'PUR_VIRT_FAILED')) throw thrown
    throw new PurlinError('PUR_VIRT_FAILED', {
      message: `${toPurlinError(thrown).message}; its saved memory cannot be taken up: stop the machine, which throws it away, and start it again`,
      cause: thrown,
    })
  }
}

/** Asks and does not wait: an event tells when the guest is off, and the lane goes on meanwhile. */
async function askToPowerOff(
  libvirt: LibvirtPort,
  machine: string,
  call: CallOptions,
): Promise<void> {
  try {
    await libvirt.shutdown(machine, call)
  } catch (thrown) {
    // It went by itself meanwhile.
    if (!isCode(thrown, 'PUR_VIRT_REFUSED')) throw thrown
  }
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
