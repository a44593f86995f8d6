/** Messages of etcd's JSON gateway as far as we use them
 *  (https://etcd.io/docs/v3.4/dev-guide/api_reference_v3/). Bytes are base64, 64-bit numbers are
 *  texts, and fields that are zero, empty or false are left out. */

/** Where each call goes. */
export const paths = {
  range: '/v3/kv/range',
  txn: '/v3/kv/txn',
  compaction: '/v3/kv/compaction',
  watch: '/v3/watch',
  grant: '/v3/lease/grant',
  keepAlive: '/v3/lease/keepalive',
  revoke: '/v3/lease/revoke',
} as const

export interface Header {
  readonly revision?: string
  readonly cluster_id?: string
}

export interface KeyValue {
  readonly key: string
  readonly value?: string
  readonly create_revision?: string
  readonly mod_revision?: string
  readonly version?: string
  readonly lease?: string
}

export interface RangeRequest {
  readonly key: string
  readonly range_end?: string
  readonly limit?: string
  readonly revision?: string
  readonly keys_only?: boolean
  readonly count_only?: boolean
}

export interface RangeAnswer {
  readonly header: Header
  readonly kvs?: readonly KeyValue[]
  readonly more?: boolean
}

/** What must hold: the last write of the key, or the first write of each key of a range, has this
 *  revision; 0: there is none. */
export interface Compare {
  readonly target: 'MOD' | 'CREATE'
  readonly result: 'EQUAL'
  readonly key: string
  readonly range_end?: string
  readonly mod_revision?: string
  readonly create_revision?: string
}

export type RequestOp =
  | {
      readonly request_put: {
        readonly key: string
        readonly value: string
        readonly lease?: string
      }
    }
  | { readonly request_delete_range: { readonly key: string; readonly range_end?: string } }
  | { readonly request_range: RangeRequest }
  | { readonly request_txn: { readonly success: readonly RequestOp[] } }

export interface TxnRequest {
  readonly compare: readonly Compare[]
  readonly success: readonly RequestOp[]
  readonly failure: readonly RequestOp[]
}

export interface TxnAnswer {
  readonly header: Header
  readonly succeeded?: boolean
  readonly responses?: readonly { readonly response_range?: RangeAnswer }[]
}

export interface WatchAnswer {
  readonly header: Header
  readonly created?: boolean
  readonly canceled?: boolean
  readonly compact_revision?: string
  readonly cancel_reason?: string
  /** More of the same revision follows. */
  readonly fragment?: boolean
  readonly events?: readonly { readonly type?: 'DELETE'; readonly kv: KeyValue }[]
}

/** Bytes of a text as the gateway takes them. */
export function encode(text: string): string {
  return Buffer.from(text).toString('base64')
}

/** The text of bytes as the gateway gives them. */
export function decode(bytes: string | undefined): string {
  return Buffer.from(bytes ?? '', 'base64').toString()
}

/** First key after all that begin with `prefix`. Our keys are printable ASCII, so DEL ends them. */
export function endOf(prefix: string): string {
  return `${prefix}\x7f`
}

/** A number that the gateway writes as a text, or leaves out. */
export function numberOf(text: string | undefined): number {
  return Number(text ?? 0)
}
