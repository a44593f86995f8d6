import { z } from 'zod'
import type { Operation } from './operation.ts'

const bytes = z.number().int().min(0)
const count = z.number().int().min(0)
const level = z.enum(['disk', 'server', 'rack', 'room'])

const survivalAt = z.strictObject({
  level,
  domains: count,
  any: count.meta({ description: 'Any so many of them can fail.' }),
  disksBeside: z.array(count).meta({
    description: 'How many single disks more can fail beside as many domains as the index says.',
  }),
  fatal: z.array(z.string()).meta({ description: 'A smallest set that is too much.' }),
  fatalSets: z
    .tuple([count, count])
    .nullable()
    .meta({ description: 'How many sets of that size are too much, of how many.' }),
  largest: z.array(z.string()).meta({ description: 'A largest set that is survived.' }),
  largestAtMost: count,
})

/** What is really placed in a pool, and which failures that survives. */
export const placedAnswer = z
  .strictObject({
    policy: z.string(),
    faultDomain: level,
    stripes: count,
    disks: z.array(
      z.strictObject({
        disk: count,
        name: z.string(),
        server: z.string(),
        capacityBytes: bytes,
        storedBytes: bytes,
      }),
    ),
    placed: z
      .array(
        z.strictObject({
          tolerates: count.meta({ description: 'Shards that each of these stripes can lose.' }),
          stripes: count,
          diskSets: count,
          survival: z.array(survivalAt),
        }),
      )
      .meta({ description: 'Stripes by what they can lose, those that can lose the least first.' }),
    misplacedBytes: bytes,
    homelessBytes: bytes,
    lostBytes: bytes,
    leastBytes: z.strictObject({ server: bytes, rack: bytes, room: bytes, across: bytes }),
  })
  .meta({ id: 'PlacedAnswer' })
export type PlacedAnswer = z.infer<typeof placedAnswer>

export const rebalanceAnswer = z.strictObject({ pool: z.string() }).meta({ id: 'RebalanceAnswer' })
export type RebalanceAnswer = z.infer<typeof rebalanceAnswer>

export const scrubRequest = z
  .strictObject({
    action: z
      .enum(['begin', 'pause', 'resume'])
      .default('begin')
      .meta({ description: 'pause and resume are of the scrub that runs.' }),
    deep: z
      .boolean()
      .default(false)
      .meta({ description: 'Read the chunks too, not the map alone.' }),
  })
  .meta({ id: 'ScrubRequest' })
export type ScrubRequest = z.input<typeof scrubRequest>

export const scrubAnswer = z.strictObject({ pool: z.string() }).meta({ id: 'ScrubAnswer' })
export type ScrubAnswer = z.infer<typeof scrubAnswer>

/** What can be asked of storage pools beside their resources. */
export const storagePoolOperations = {
  explainPool: {
    method: 'GET',
    path: '/v1/storage-pools/:name/placed',
    summary: 'What is really placed in a pool, and the worst failures that it survives.',
    role: 'viewer',
    status: 200,
    answer: placedAnswer,
  },
  rebalancePool: {
    method: 'POST',
    path: '/v1/storage-pools/:name/rebalance',
    summary: 'Begin to move a pool’s stripes to where placement wants them.',
    role: 'operator',
    status: 202,
    answer: rebalanceAnswer,
  },
  scrubPool: {
    method: 'POST',
    path: '/v1/storage-pools/:name/scrub',
    summary: 'Begin to read a pool through for what is bad, or hold that, or let it go on.',
    role: 'operator',
    status: 202,
    body: scrubRequest,
    answer: scrubAnswer,
  },
} as const satisfies Record<string, Operation>
