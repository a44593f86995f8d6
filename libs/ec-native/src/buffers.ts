import { types } from 'node:util'
import { PurlinError } from '@purlin/base'

/** Checks that `view`, or a place of a list, can be borrowed: a `Uint8Array` (a `Buffer` is one)
 *  whose memory is neither gone nor shared with other threads, which could change it while it is
 *  read.
 *  Errors: PUR_EC_INVALID. */
export function borrow(view: unknown, list: string, place?: number): Uint8Array {
  if (!types.isUint8Array(view)) {
    throw refused(nameOf(list, place), `is ${kindOf(view)} and must be a Uint8Array`)
  }
  const { buffer } = view
  // The first question is the cheap one, and settles it for nearly every buffer.
  if (!(buffer instanceof ArrayBuffer) && types.isSharedArrayBuffer(buffer)) {
    throw refused(nameOf(list, place), 'lies in memory shared with other threads; give a copy')
  }
  if (view.length === 0 && (buffer as ArrayBuffer).detached) {
    throw refused(nameOf(list, place), 'is detached: its memory was transferred away')
  }
  return view
}

/** The same of a list, which is copied: the addon never asks JavaScript for an element, so nothing
 *  can change between the check and the work. Errors: PUR_EC_INVALID. */
export function borrowAll(views: unknown, name: string): Uint8Array[] {
  if (types.isProxy(views) || !Array.isArray(views))
    throw refused(name, `is ${kindOf(views)} and must be an array`)
  const borrowed: Uint8Array[] = []
  // A list is read by its length, so that places without an element are seen.
  const { length } = views
  if (length > LIST_MAX) throw refused(name, `has ${length} places; no codec has as many shards`)
  for (let i = 0; i < length; i += 1) borrowed.push(borrow(views[i], name, i))
  return borrowed
}

/** PUR_EC_INVALID with its sentence. */
export function refused(name: string, found: string): PurlinError {
  return new PurlinError('PUR_EC_INVALID', { message: `${name} ${found}`, context: { name } })
}

const LIST_MAX = 256

/** Made only for an error: making it costs as much as the check. */
function nameOf(list: string, place: number | undefined): string {
  return place === undefined ? list : `${list}[${place}]`
}

function kindOf(value: unknown): string {
  if (value === null) return 'null'
  if (typeof value !== 'object') return typeof value
  if (types.isProxy(value)) return 'a proxy'
  if (Array.isArray(value)) return 'an array'
  if (types.isAnyArrayBuffer(value)) return 'an ArrayBuffer'
  return ArrayBuffer.isView(value) ? 'a view of another type' : 'an object'
}
