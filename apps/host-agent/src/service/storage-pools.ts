import { PurlinError } from '@purlin/base'
import { placedAnswer } from '@purlin/schema'
import type { ControlClient } from '@purlin/storage'
import type { OperationHandlers } from '../api/handlers.ts'
import type { VolumeGrounds } from './volumes.ts'

type PoolCall = 'explainPool' | 'rebalancePool' | 'scrubPool'

/** For a look through the whole map of a pool. */
const EXPLAIN_DEADLINE_MS = 60_000
const CALL_DEADLINE_MS = 30_000

/** The calls of the schema's operations on storage pools. */
export function storagePoolHandlers(grounds: VolumeGrounds): Pick<OperationHandlers, PoolCall> {
  return {
    explainPool: async ({ params, signal }) => {
      const pool = named(grounds, params.name)
      const call = { deadlineMs: EXPLAIN_DEADLINE_MS, signal }
      const answer = await daemonOf(grounds).call('pool-explain', { pool }, call)
      const parsed = placedAnswer.safeParse(answer)
      if (parsed.success) return parsed.data
      const message = `what the block daemon says of pool ${pool} is not as expected`
      throw new PurlinError('PUR_BLOCK_ANSWER', { message })
    },
    rebalancePool: async ({ params, signal }) => {
      const pool = named(grounds, params.name)
      const call = { deadlineMs: CALL_DEADLINE_MS, signal }
      await daemonOf(grounds).call('pool-rebalance', { pool, wait: false }, call)
      grounds.tell({
        type: 'pool.rebalancing',
        severity: 'notice',
        subject: { kind: 'StoragePool', name: pool },
        message: `the stripes of pool ${pool} go to where placement wants them`,
      })
      return { pool }
    },
    scrubPool: async ({ params, body: { action, deep }, signal }) => {
      const pool = named(grounds, params.name)
      const daemon = daemonOf(grounds)
      if (action === 'begin') grounds.scrub?.(pool, deep)
      else {
        const call = { deadlineMs: CALL_DEADLINE_MS, signal }
        await daemon.call('pool-scrub-pause', { pool, on: action === 'pause' }, call)
      }
      return { pool }
    },
  }
}

function named({ catalogue }: VolumeGrounds, name: string = ''): string {
  if (catalogue().get('StoragePool', name) !== undefined) return name
  throw new PurlinError('PUR_RESOURCE_MISSING', { message: `no StoragePool named ${name}` })
}

function daemonOf({ daemon }: VolumeGrounds): ControlClient {
  if (daemon !== undefined) return daemon
  const message = 'this host has no [storage] in its configuration'
  throw new PurlinError('PUR_KIND_NOT_SERVED', { message })
}
