export {
  type FaultDomain,
  type Media,
  type PlacementDisk,
  type PlacementTopology,
  type Redundancy,
  redundancyText,
} from './disks.ts'
export { type PlacementOffer, type PlacementOffers, placementOffers } from './offers.ts'
export {
  distances,
  type Explanation,
  type Movement,
  PlacementTable,
  type PlannedRebuild,
  type PoolPlacement,
  type SurvivalAt,
} from './table.ts'
