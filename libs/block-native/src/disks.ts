import { PurlinError } from '@purlin/base'
import type { DiskInput, PolicyInput } from './addon.ts'

/** A level of the topology at which things fail together. */
export type FaultDomain = 'disk' | 'server' | 'rack' | 'room'

/** What a disk is made of. */
export type Media = 'hdd' | 'ssd' | 'nvme'

/** K+M, K+M:B, or copies. */
export type Redundancy = { readonly erasure: string } | { readonly replicas: number }

/** Trees with a data centre as the root of each. Limits: 2 data centres, 100 rooms in each, 100
 *  racks in each room, 20 servers in each rack. Without roots every label is a server. */
export interface PlacementTopology {
  readonly roots: readonly {
    readonly datacenter: string
    readonly rooms: readonly {
      readonly room: string
      readonly racks: readonly { readonly rack: string; readonly servers: readonly string[] }[]
    }[]
  }[]
}

/** A disk to place on. */
export interface PlacementDisk {
  /** Its number in the pool, 0 to 65,535; never used for another disk. */
  readonly id: number
  /** The label of its server in the topology. */
  readonly server: string
  /** What it can hold: its weight. */
  readonly capacityBytes: number
  readonly media: Media
}

const ERASURE = /^(\d{1,3})\+(\d{1,3})(?::(\d{1,3}))?$/

/** The policy in numbers. Errors: PUR_BLOCK_PLACEMENT for a text that is none. */
export function policyInput(redundancy: Redundancy): PolicyInput {
  if ('replicas' in redundancy) {
    return { dataShards: 1, parityShards: redundancy.replicas - 1, replicas: true }
  }
  const match = ERASURE.exec(redundancy.erasure)
  if (match === null) {
    throw new PurlinError('PUR_BLOCK_PLACEMENT', {
      message: `“${redundancy.erasure}” is no policy: write K+M or K+M:B, as in 4+2:1`,
    })
  }
  const [, data, parity, failures] = match
  return {
    dataShards: Number(data),
    parityShards: Number(parity),
    ...(failures !== undefined && { domainFailures: Number(failures) }),
    replicas: false,
  }
}

/** As people write it: `replicas 3`, `4+2:1`. Pure. */
export function redundancyText(redundancy: Redundancy): string {
  return 'replicas' in redundancy ? `replicas ${redundancy.replicas}` : redundancy.erasure
}

/** The disks without what Rust does not take. */
export function diskInputs(disks: readonly PlacementDisk[]): readonly DiskInput[] {
  return disks.map(({ id, server, capacityBytes, media }) => ({
    ...{ id, server, media },
    capacityBytes: Math.floor(capacityBytes),
  }))
}
