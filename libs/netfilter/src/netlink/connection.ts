import type { AddressFamily } from '@purlin/base'

/** One direction of a tracked flow. */
export interface ConnectionTuple {
  readonly family: AddressFamily
  readonly source: bigint
  readonly destination: bigint
  /** IP protocol number. */
  readonly protocol: number
  readonly sourcePort?: number
  readonly destinationPort?: number
  readonly icmp?: { readonly type: number; readonly code: number; readonly id: number }
}

/** An entry of the kernel's connection tracking. */
export interface Connection {
  readonly zone: number
  /** As the first packet said it. */
  readonly original: ConnectionTuple
  readonly reply: ConnectionTuple
  /** The kernel's own id of the entry: a later flow of the same tuple has another. */
  readonly id: number
  readonly mark: number
  /** `IPS_*` bits of the kernel. */
  readonly status: number
  /** `TCP_CONNTRACK_*` of the kernel: 3 is established. */
  readonly tcpState?: number
  readonly timeoutSeconds: number
}
