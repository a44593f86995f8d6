import { answered, blockAddon, type OfferOutput, type PolicyOutput } from './addon.ts'
import {
  diskInputs,
  type FaultDomain,
  type PlacementDisk,
  type PlacementTopology,
  policyInput,
  type Redundancy,
} from './disks.ts'

/** A policy that the disks can hold. */
export interface PlacementOffer {
  readonly redundancy: Redundancy
  readonly faultDomain: FaultDomain
  /** K / (K + M), or one of the copies. */
  readonly efficiency: number
  /** Fault domains there are, and the least number of them. */
  readonly domains: number
  readonly domainsMin: number
  /** The most shards of a stripe in one domain. */
  readonly shardsPerDomain: number
  /** Bytes that volumes can fill. */
  readonly usableBytes: number
  /** Bytes of the disks that no stripe can use, since the others are too small beside them. */
  readonly strandedBytes: number
  /** Any so many domains, or any so many disks, can fail. */
  readonly survives: { readonly domains: number; readonly disks: number }
  /** Domains whose loss can be rebuilt on those that are left. */
  readonly spareDomains: number
}

/** What a set of disks can hold, and what it cannot and why. */
export interface PlacementOffers {
  readonly offers: readonly PlacementOffer[]
  readonly refusals: readonly {
    readonly redundancy: Redundancy
    readonly faultDomain: FaultDomain
    readonly reason: string
  }[]
}

/** Every policy of the reference, 1 to 6 replicas and those `asked` for, at every level of the
 *  topology. Pure. Errors: PUR_BLOCK_TOPOLOGY with the path of the field, PUR_BLOCK_PLACEMENT. */
export function placementOffers(
  topology: PlacementTopology,
  disks: readonly PlacementDisk[],
  asked: readonly Redundancy[] = [],
): PlacementOffers {
  const { offers, refusals } = answered(
    blockAddon().placementOffers(topology.roots, diskInputs(disks), asked.map(policyInput)),
  )
  return {
    offers: offers.map(offerOf),
    refusals: refusals.map(({ policy, level, reason }) => ({
      redundancy: redundancyOf(policy),
      faultDomain: level as FaultDomain,
      reason,
    })),
  }
}

function offerOf(offer: OfferOutput): PlacementOffer {
  const { policy, level, domains, domainsMin, shardsPerDomain } = offer
  return {
    redundancy: redundancyOf(policy),
    faultDomain: level as FaultDomain,
    efficiency: policy.dataShards / (policy.dataShards + policy.parityShards),
    ...{ domains, domainsMin, shardsPerDomain },
    usableBytes: offer.usableBytes,
    strandedBytes: offer.strandedBytes,
    survives: { domains: offer.survivesDomains, disks: offer.survivesDisks },
    spareDomains: offer.spareDomains,
  }
}

/** A policy that came back, as it is written. */
export function redundancyOf({ name, parityShards, replicas }: PolicyOutput): Redundancy {
  return replicas ? { replicas: parityShards + 1 } : { erasure: name }
}
