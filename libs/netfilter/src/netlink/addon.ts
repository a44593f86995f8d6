import { createRequire } from 'node:module'
import { findAddon } from '@purlin/base'

/** What answered a request. */
export interface NetlinkAnswer {
  readonly messages: Uint8Array
  /** 0, or the error number of the step in `failed`. */
  readonly errno: number
  readonly failed: string
}

/** Messages that have come. */
export interface Arrival {
  readonly messages: Uint8Array
  readonly lost: boolean
  readonly ended: boolean
}

/** `one`: sent as one, and whole with the answer to the last message. `batch`: a transaction. `each`:
 *  one after the other, each answered. */
export type RequestWay = 'one' | 'batch' | 'each'

/** The class of `crates/netlink-binding`. */
export interface NetlinkSocket {
  readonly failure: { readonly errno: number; readonly failed: string } | null
  readonly portId: number
  request(
    messages: Uint8Array,
    firstSequence: number,
    lastSequence: number,
    way: RequestWay,
    deadlineMs: number,
  ): Promise<NetlinkAnswer>
  listen(onMessages: (arrival: Arrival) => void): boolean
  /** Leaves the groups, or joins them again; false where it cannot. */
  hear(isOn: boolean): boolean
  close(): void
}

/** A network device of the addon: it goes with `close`, or with the process. */
export interface TapDevice {
  readonly failure: { readonly errno: number; readonly failed: string } | null
  readonly name: string
  /** 0, or the error number. */
  send(frame: Uint8Array): number
  close(): void
}

interface NetlinkAddon {
  readonly TapDevice: new (pattern: string) => TapDevice
  readonly NetlinkSocket: new (
    protocol: number,
    receiveBufferBytes: number,
    groups: readonly number[],
  ) => NetlinkSocket
}

let loaded: NetlinkAddon | undefined

/** The addon, loaded by path at the first call. Errors: PUR_NATIVE_MISSING. */
export function netlinkAddon(): NetlinkAddon {
  loaded ??= createRequire(import.meta.url)(
    findAddon({
      purpose: "the kernel's netfilter",
      library: 'netfilter',
      binding: 'netlink-binding',
      from: import.meta.url,
      folders: ['../../native/', './native/'],
    }),
  ) as NetlinkAddon
  return loaded
}
