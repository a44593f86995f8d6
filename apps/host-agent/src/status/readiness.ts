import { fact, PurlinError } from '@purlin/base'
import type { StoredRecord } from '@purlin/service'
import { asWantedReason, isAsWanted } from '@purlin/virt'
import type { HostView, LaneName, LaneView, MachineView } from './host-view.ts'
import { snapshotFinding } from './snapshot-finding.ts'
import { isStorage, storageFinding } from './storage-finding.ts'

/** Whether a resource is as it should be; `error` where a lane has failed over it. */
export interface Readiness {
  readonly status: 'true' | 'false' | 'unknown'
  readonly reason: string
  readonly message: string
  readonly error?: PurlinError
}

/** Judges a resource against what is observed. Pure. */
export function readinessOf(record: StoredRecord, view: HostView): Readiness {
  const { manifest, revision } = record
  switch (manifest.kind) {
    case 'SecurityGroup':
      return laneReadiness('netfilter', 'Enforced', revision, view)
    case 'DistributedSwitch':
      return switchReadiness(manifest.name, revision, view)
    case 'PortGroup':
    case 'Router':
      return laneReadiness('vswitch', 'Made', revision, view)
    case 'Port':
      return portReadiness(manifest.name, revision, view)
    case 'VirtualMachine':
      return machineReadiness(record as StoredRecord<'VirtualMachine'>, view)
    case 'Topology':
    case 'StoragePool':
    case 'Volume':
    case 'Snapshot':
      return storageReadiness(record, view)
    case 'MachineSnapshot':
      return snapshotFinding(manifest, view)
    default:
      return {
        status: 'unknown',
        reason: 'NotServed',
        message: `no driver for ${manifest.kind} here`,
      }
  }
}

/** Whether the traces of a deleted resource are gone from the host. What is left of ports of others
 *  keeps no machine and no group. Pure. */
export function goneFrom(
  { kind, name }: { readonly kind: string; readonly name: string },
  revision: number,
  view: HostView,
): Readiness {
  const lanes: readonly LaneName[] =
    kind === 'VirtualMachine' || kind === 'Port'
      ? ['virt', 'vswitch', 'netfilter']
      : kind === 'SecurityGroup'
        ? ['netfilter']
        : isStorage(kind)
          ? ['storage']
          : ['vswitch']
  const isOwn = (port: string): boolean =>
    kind === 'Port' ? port === name : kind !== 'VirtualMachine' || port.startsWith(`${name}.`)
  const keeps = kind === 'SecurityGroup' ? () => false : isOwn
  const judged = lanes.map((lane) => laneReadiness(lane, 'Gone', revision, view, keeps))
  return judged.find(({ status }) => status !== 'true') ?? ready('Gone', 'nothing is left of it')
}

function machineReadiness(record: StoredRecord<'VirtualMachine'>, view: HostView): Readiness {
  const { name, spec } = record.manifest
  for (const nic of spec.nics) {
    const port = portReadiness(`${name}.${nic.name}`, record.revision, view)
    if (port.status !== 'true') return port
  }
  const lane = view.lanes.virt
  if (lane.passedRevision < record.revision) return notYet('virt', lane)
  const seen = view.machines.get(name)
  if (seen !== undefined && isAsWanted(spec.powerState, seen.state)) {
    if (seen.adopted === true) return ready('Adopted', UNFILTERED)
    return ready(asWantedReason(seen.state), `the machine is ${seen.state}`)
  }
  if (seen?.rest !== undefined) return resting(name, seen.rest)
  if (seen?.leasedTo !== undefined) return leased(name, seen.leasedTo)
  if (seen?.ioError === true) {
    const volumes = spec.disks.map(({ volume }) => volume).join(', ')
    const message = `a disk did not answer, so it stands still and goes on when it does: ${volumes}`
    return { status: 'false', reason: 'StoppedOnError', message }
  }
  if (lane.failure) return failed('virt', lane.failure)
  const unoffered = spec.disks.find(({ volume, attach }) => {
    const found = attach === 'vhost-user' ? view.storage?.volumes.get(volume) : undefined
    return found !== undefined && found.vhostSocket === undefined
  })
  if (unoffered !== undefined) {
    const { volume } = unoffered
    const message = `the block daemon offers volume ${volume} over NBD alone; start purlin-blockd with --vhost, or attach the disk by nbd`
    return { status: 'false', reason: 'NoVhostUser', message }
  }
  const state = seen?.state ?? 'not defined'
  return {
    status: 'false',
    reason: 'Changing',
    message: `the machine is ${state}, wanted ${spec.powerState}`,
  }
}

/** Its rules stand, by devices that it has only from its next start on. */
const UNFILTERED =
  'the machine was taken in while it ran: its NICs stay where they are, without rules, until it is stopped and started'

/** A machine that its former host may still run. */
function leased(name: string, host: string): Readiness {
  const message = `machine ${name} waits until host ${host}, which has its lease, has stopped it; if ${host} is off for certain: purlin host fenced ${host}`
  return { status: 'false', reason: 'LeasedElsewhere', message }
}

/** A machine that is off as its policy of restarts says. */
function resting(name: string, rest: NonNullable<MachineView['rest']>): Readiness {
  const again = `start it: purlin vm start ${name}`
  switch (rest) {
    case 'ended':
      return ready('Ended', `it went off by itself and rests, as restart says; ${again}`)
    case 'after-boot':
      return ready('NotStarted', `it is not started with its host, as autostart says; ${again}`)
    case 'gave-up': {
      const message = `machine ${name} went off by itself too often within ten minutes and is not started any more: look at its console and its log, then ${again}`
      const error = new PurlinError('PUR_VIRT_CRASHES', { message, context: { machine: name } })
      return { status: 'false', reason: 'GaveUp', message, error }
    }
  }
}

/** A switch whose new uplinks nobody confirmed stands as before, which is not as it is wanted. */
function switchReadiness(name: string, revision: number, view: HostView): Readiness {
  const change = view.switches?.get(name)?.uplinkChange
  if (change?.state !== 'rejected') return laneReadiness('vswitch', 'Made', revision, view)
  const message = `switch ${name}: nobody confirmed its new uplinks in time, so the host went back to those before; want other uplinks, or confirm sooner: purlin switch confirm ${name}`
  const error = new PurlinError('PUR_UPLINK_UNCONFIRMED', { message })
  return { status: 'false', reason: 'UplinksUnconfirmed', message, error }
}

function storageReadiness(record: StoredRecord, view: HostView): Readiness {
  const lane = view.lanes.storage
  if (lane.passedRevision < record.revision) return notYet('storage', lane)
  const finding = storageFinding(record.manifest, view.storage)
  if (finding.status !== 'false') return finding
  return lane.failure && finding.error === undefined ? failed('storage', lane.failure) : finding
}

function portReadiness(name: string, revision: number, view: HostView): Readiness {
  const { netfilter, vswitch } = view.lanes
  if (netfilter.passedRevision < revision) return notYet('netfilter', netfilter)
  if (!view.facts.has(fact('nic', name, 'enforced'))) {
    if (netfilter.failure) return failed('netfilter', netfilter.failure)
    return {
      status: 'false',
      reason: 'NotEnforced',
      message: `the rules of ${name} are not in force yet`,
    }
  }
  if (vswitch.passedRevision < revision) return notYet('vswitch', vswitch)
  if (!view.facts.has(fact('nic', name, 'plugged'))) {
    if (vswitch.failure) return failed('vswitch', vswitch.failure)
    return {
      status: 'false',
      reason: 'NotPlugged',
      message: `${name} has no port on the switch yet`,
    }
  }
  return ready('Enforced', `the rules of ${name} are in force and its port stands`)
}

/** A lane that has done all is ready, also while something is left of ports that nobody wants;
 *  those of which `keeps` says so are waited for. */
function laneReadiness(
  name: LaneName,
  reason: string,
  revision: number,
  view: HostView,
  keeps: (leftover: string) => boolean = () => false,
): Readiness {
  const lane = view.lanes[name]
  if (lane.failure) return failed(name, lane.failure)
  if (lane.convergedRevision >= revision) return ready(reason, 'the host is as it should be')
  const { leftovers } = lane
  if (leftovers !== undefined && leftovers.revision >= revision && !leftovers.ports.some(keeps)) {
    const ports = leftovers.ports.join(', ')
    const message = `the host is as it should be; what is left of ${ports} goes when libvirt says that no machine uses it`
    return ready(reason, message)
  }
  return notYet(name, lane)
}

function ready(reason: string, message: string): Readiness {
  return { status: 'true', reason, message }
}

function notYet(name: LaneName, lane: LaneView): Readiness {
  const message = lane.failure
    ? `${name}: ${lane.failure.summary}: ${lane.failure.error.message}`
    : lane.waiting.length > 0
      ? `${name} waits: ${lane.waiting[0]}`
      : `${name} is at work`
  return {
    status: 'unknown',
    reason: 'Pending',
    message,
    ...(lane.failure && { error: lane.failure.error }),
  }
}

function failed(name: LaneName, failure: NonNullable<LaneView['failure']>): Readiness {
  const message = `${name}: ${failure.summary}: ${failure.error.message}`
  return { status: 'false', reason: 'Failed', message, error: failure.error }
}
