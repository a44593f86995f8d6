import type { FreezeAnswer, GuestInterfaces, ThawAnswer } from '@purlin/schema'
import type { CallOptions, MutationOptions } from '../connect/call.ts'
import { carryOut } from '../connect/operation.ts'
import type { Transport } from '../connect/transport.ts'

/** What the agent in a machine's guest does beside running commands. Errors of all:
 *  PUR_RESOURCE_MISSING, PUR_VIRT_AGENT_UNRESPONSIVE, PUR_VIRT_FAILED in the guest's own words. */
export interface Guests {
  /** Interfaces and addresses as the guest has them. */
  interfaces(machine: string, options?: CallOptions): Promise<GuestInterfaces['items']>
  /** Reads a file up to `maxBytes`: 1 MiB unless said otherwise, at most 8. `complete` tells
   *  whether that is all of it. */
  readFile(
    machine: string,
    path: string,
    options?: MutationOptions & { readonly maxBytes?: number },
  ): Promise<{ readonly content: Uint8Array; readonly complete: boolean }>
  /** Writes a file anew, or to its end; at most 8 MiB. Sent once unless `attempts` says more. */
  writeFile(
    machine: string,
    path: string,
    content: Uint8Array,
    options?: MutationOptions & { readonly append?: boolean },
  ): Promise<void>
  /** Has the guest write out what it holds and take no writes, for `holdSeconds` (1 to 60, 10
   *  unless said otherwise) or until it is thawed. */
  freeze(
    machine: string,
    options?: MutationOptions & { readonly holdSeconds?: number },
  ): Promise<FreezeAnswer>
  thaw(machine: string, options?: MutationOptions): Promise<ThawAnswer>
  /** Sets the guest's clock to that of its host. */
  setTime(machine: string, options?: MutationOptions): Promise<void>
}

/** The guests of machines behind `transport`. */
export function guestsOf(transport: Transport): Guests {
  return {
    interfaces: async (name, options) =>
      (await carryOut(transport, 'listGuestInterfaces', { parts: { name }, options })).items,
    readFile: async (name, path, { maxBytes, ...options } = {}) => {
      const { contentBase64, complete } = await carryOut(transport, 'readGuestFile', {
        parts: { name },
        body: { path, ...(maxBytes !== undefined && { maxBytes }) },
        options,
      })
      return { content: Buffer.from(contentBase64, 'base64'), complete }
    },
    writeFile: async (name, path, content, { append, ...options } = {}) => {
      const contentBase64 = Buffer.from(content).toString('base64')
      await carryOut(transport, 'writeGuestFile', {
        parts: { name },
        body: { path, contentBase64, ...(append !== undefined && { append }) },
        options: { attempts: 1, ...options },
      })
    },
    freeze: (name, { holdSeconds, ...options } = {}) =>
      carryOut(transport, 'freezeGuest', {
        parts: { name },
        body: { ...(holdSeconds !== undefined && { holdSeconds }) },
        options,
      }),
    thaw: (name, options) => carryOut(transport, 'thawGuest', { parts: { name }, options }),
    setTime: async (name, options) => {
      await carryOut(transport, 'setGuestTime', { parts: { name }, options })
    },
  }
}
