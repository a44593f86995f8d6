import { isHostKind, type Kind } from '@purlin/schema'

/** Who serves a kind that no agent of a host serves, and how to reach it. Pure. */
export function servedElsewhere(kind: Kind): string {
  if (isHostKind(kind)) return `${kind} is not served here`
  return `${kind} is of purlin-baremetal-pxe, the daemon of a deployment network, not of an agent of a host; use purlin bm, or apply it there`
}
