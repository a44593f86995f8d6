/** Who may run a machine. */
export interface LeaseHolder {
  readonly host: string
  /** The boot of the host in which it was taken. */
  readonly bootId: string
  readonly sinceMs: number
}

/** The lease of a machine, as the store has it under the machine's name. */
export interface MachineLease {
  /** Counts those that took it, from 1. A copy that began under a lower one may not run. */
  readonly epoch: number
  /** UUID of the domain that it was taken for. */
  readonly uuid: string
  /** Absent: nobody may run it. */
  readonly holder?: LeaseHolder
  /** The host that had it and was said to be off; until somebody takes it. */
  readonly fenced?: { readonly host: string; readonly atMs: number }
}

/** A host that wants a lease for a domain. */
export interface Claimant {
  readonly host: string
  readonly bootId: string
  readonly nowMs: number
  /** The store is this host's own file: whatever is held there, this host holds, also by a name
   *  that it had before. */
  readonly isAlone: boolean
  readonly uuid: string
  /** The epoch under which this host ran this very domain last; 0: none is known. */
  readonly heldEpoch: number
}

/** What comes of a wish. `held`: it stands already. `take`: once `next` is written, it is the
 *  claimant's. `elsewhere`: another host has it. */
export type LeaseJudgement =
  | { readonly verdict: 'held'; readonly lease: MachineLease }
  | { readonly verdict: 'take'; readonly next: MachineLease }
  | { readonly verdict: 'elsewhere'; readonly host: string }

/** Whether a host may start a machine, and what it writes before. Pure. */
export function judgeTake(lease: MachineLease | undefined, claimant: Claimant): LeaseJudgement {
  if (lease?.holder !== undefined && !isOwn(lease.holder, claimant)) {
    return { verdict: 'elsewhere', host: lease.holder.host }
  }
  const { host, bootId, uuid } = claimant
  const { holder } = lease ?? {}
  const stands = holder?.host === host && holder.bootId === bootId && lease?.uuid === uuid
  return stands ? { verdict: 'held', lease } : { verdict: 'take', next: taken(lease, claimant) }
}

/** Whether a domain that runs here without a lease of this host may run on. `lost`: somebody took
 *  it since, and this copy has to end. Pure. */
export function judgeRunning(
  lease: MachineLease | undefined,
  claimant: Claimant,
): LeaseJudgement | { readonly verdict: 'lost'; readonly lease: MachineLease } {
  const { heldEpoch } = claimant
  if (lease === undefined) return { verdict: 'take', next: taken(lease, claimant) }
  if (lease.holder !== undefined && isOwn(lease.holder, claimant)) {
    return judgeTake(lease, claimant)
  }
  // A store that was restored from a backup knows less than the host.
  const isOlder = lease.epoch < heldEpoch
  const isUntaken = lease.holder === undefined && (heldEpoch === 0 || lease.epoch === heldEpoch)
  if (isOlder || isUntaken) return { verdict: 'take', next: taken(lease, claimant) }
  return { verdict: 'lost', lease }
}

/** The lease once its holder has let it go. Pure. */
export function released({ epoch, uuid }: MachineLease): MachineLease {
  return { epoch, uuid }
}

/** The lease once its holder is known to be off. Pure. */
export function fenced(lease: MachineLease, atMs: number): MachineLease {
  const { host = '' } = lease.holder ?? {}
  return { ...released(lease), fenced: { host, atMs } }
}

/** Whether the holder is the claimant. Pure. */
export function isOwn(
  holder: LeaseHolder,
  { host, isAlone }: Pick<Claimant, 'host' | 'isAlone'>,
): boolean {
  return isAlone || holder.host === host
}

function taken(lease: MachineLease | undefined, claimant: Claimant): MachineLease {
  const { host, bootId, uuid, heldEpoch, nowMs } = claimant
  const epoch = Math.max(lease?.epoch ?? 0, heldEpoch) + 1
  return { epoch, uuid, holder: { host, bootId, sinceMs: Math.round(nowMs) } }
}
