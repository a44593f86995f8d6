import type { AddonEvent } from './addon.ts'

/** What libvirt says of a domain's life (virDomainEventType), by its number. */
export const LIFECYCLE_EVENTS = [
  'defined',
  'undefined',
  'started',
  'suspended',
  'resumed',
  'stopped',
  'shutdown',
  'sleeping',
  'crashed',
] as const
export type LifecycleEvent = (typeof LIFECYCLE_EVENTS)[number]

/** An event of libvirt, or of the connection to it. */
export type LibvirtEvent =
  | {
      readonly kind: 'lifecycle'
      readonly domain: string
      readonly uuid: string
      readonly event: LifecycleEvent
      /** libvirt's number of the reason; its meaning belongs to `event`. */
      readonly detail: number
    }
  | {
      readonly kind: 'agent'
      readonly domain: string
      readonly uuid: string
      readonly state: 'connected' | 'disconnected'
      readonly reason: 'unknown' | 'domain-started' | 'channel'
    }
  /** A device of a running domain is gone, stays since the guest does not let go of it, or has
   *  another size; by its alias. */
  | {
      readonly kind: 'device'
      readonly domain: string
      readonly uuid: string
      readonly device: string
      readonly event: 'removed' | 'refused' | 'resized'
    }
  | { readonly kind: 'reboot'; readonly domain: string; readonly uuid: string }
  /** The connection came or went; after `connected` everything may have changed. */
  | {
      readonly kind: 'connection'
      readonly state: 'connected' | 'lost'
      readonly reason: string
    }
  /** So many events were left out: read everything anew. */
  | { readonly kind: 'missed'; readonly count: number }

const DEVICE_EVENTS = ['removed', 'refused', 'resized'] as const
const AGENT_REASONS = ['unknown', 'domain-started', 'channel'] as const
const CLOSE_REASONS = [
  'an input or output error',
  'the daemon closed it',
  'keep-alive messages stay unanswered',
  'it was closed here',
] as const

/** The event of a domain in words; undefined for a number that this version does not know. */
export function readEvent(raw: AddonEvent): LibvirtEvent | undefined {
  const { domain = '', uuid = '' } = raw
  if (raw.kind === 'reboot') return { kind: 'reboot', domain, uuid }
  if (raw.kind === 'agent') {
    const state = raw.event === 1 ? 'connected' : 'disconnected'
    return { kind: 'agent', domain, uuid, state, reason: AGENT_REASONS[raw.detail] ?? 'unknown' }
  }
  if (raw.kind === 'device') {
    const what = DEVICE_EVENTS[raw.event]
    if (what === undefined) return undefined
    return { kind: 'device', domain, uuid, device: raw.device ?? '', event: what }
  }
  const event = LIFECYCLE_EVENTS[raw.event]
  if (raw.kind !== 'lifecycle' || event === undefined) return undefined
  return { kind: 'lifecycle', domain, uuid, event, detail: raw.detail }
}

/** Why libvirt ended the connection (virConnectCloseReason). */
export function closeReason(detail: number): string {
  return CLOSE_REASONS[detail] ?? `reason ${detail}`
}
