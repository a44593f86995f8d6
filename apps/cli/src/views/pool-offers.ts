import { sizeText } from '../output/byte-progress.ts'
import { type Cell, renderTable } from '../output/table.ts'

type PlacementOffer = import('@purlin/block-native').PlacementOffer
type Refused = import('@purlin/block-native').PlacementOffers['refusals'][number]

/** What a pool's disks can hold. */
export interface PoolOffers {
  readonly pool: string
  readonly disks: number
  readonly sizeBytes: number
  readonly offers: readonly (PlacementOffer & {
    readonly policy: string
    /** Whether the pool has it. */
    readonly current: boolean
  })[]
  readonly refusals: readonly (Refused & { readonly policy: string; readonly current: boolean })[]
  readonly warnings: readonly string[]
}

type Offer = PoolOffers['offers'][number]

/** The policies as a table, those that are not possible behind it where `all` are asked for. A
 *  policy that the pool has and its disks do not allow is always told. Pure. */
export function offersText(offers: PoolOffers, all: boolean, colours: boolean): string {
  const table = renderTable(
    {
      columns: ['FAULT DOMAIN', 'THERE', 'POLICY', 'EFFICIENCY', 'USABLE', 'SURVIVES', 'NOTES'],
      rows: offers.offers.map(rowOf),
      empty: 'these disks allow no policy',
    },
    colours,
  )
  const refusals = offers.refusals.filter(({ current }) => all || current)
  const told = refusals.map(
    ({ reason, current }) => `${current ? 'the pool’s own policy: ' : ''}${reason}\n`,
  )
  const head = `pool ${offers.pool}: ${offers.disks} disks, ${sizeText(offers.sizeBytes)}\n\n`
  return head + table + (told.length > 0 ? `\nnot possible:\n${told.join('')}` : '')
}

function rowOf(offer: Offer): readonly Cell[] {
  const { faultDomain, domains, policy, efficiency, usableBytes } = offer
  return [
    faultDomain,
    String(domains),
    offer.current ? { text: policy, tone: 'good' } : policy,
    `${(100 * efficiency).toFixed(1)} %`,
    ...[sizeText(usableBytes), survivalText(offer), notesOf(offer).join('; ')],
  ]
}

function survivalText({ survives, faultDomain, redundancy }: Offer): string {
  const { domains, disks } = survives
  if (disks === 0) return 'nothing'
  const one = `any ${counted(domains, faultDomain)}`
  const folded = 'erasure' in redundancy && disks > domains
  return folded ? `${one} or ${counted(disks, 'disk')}` : one
}

function notesOf({ current, redundancy, strandedBytes, ...offer }: Offer): readonly string[] {
  const single = 'replicas' in redundancy && redundancy.replicas === 1
  const alone = offer.spareDomains === 0 && !single
  return [
    ...(current ? ['as it is'] : []),
    ...(single ? ['a lost disk loses data'] : []),
    ...('replicas' in redundancy && redundancy.replicas === 3 ? ['recommended'] : []),
    ...(alone ? [`no ${offer.faultDomain} to spare for a rebuild`] : []),
    ...(strandedBytes > 0 ? [`${sizeText(strandedBytes)} cannot be used`] : []),
  ]
}

function counted(count: number, what: string): string {
  return `${count} ${what}${count === 1 ? '' : 's'}`
}
