import type { NodeReach } from '@purlin/boot-service'
import { fit } from '@purlin/deployment-template'
import type { DiscoveryReport } from '@purlin/schema'
import type { CommandMeans } from './carry-out.ts'
import type { Life, Prepared } from './life.ts'
import { disksToErase, type Order } from './orders.ts'
import { causeOf, digestOf, planDeployment } from './plan-deployment.ts'
import { readySource } from './prepare.ts'

/** An order, or why this node can be given none, ever. */
export type Ordered = Order | { readonly impossible: string }

const READY_MS = 30_000
const WAIT: Order = { order: 'wait' }

/** What the discovery system on a chassis is to do now. Nothing that wipes is ordered before the
 *  machine has proved which it is (`boot.trusted`). */
export async function orderOf(
  means: CommandMeans,
  life: Life,
  reached: NodeReach,
): Promise<Ordered> {
  const { state, boot } = life
  if (boot?.trusted !== true || boot.contactAtMs === undefined) return WAIT
  const report = await means.records.reportOf(life)
  if (report === undefined) return WAIT
  if (state === 'rescuing' || state === 'rescue') {
    return { order: 'rescue', sshKeys: life.sshKeys ?? [] }
  }
  if (life.pending.some(({ work }) => work.do === 'settle')) return { order: 'power-off' }
  if (state === 'erasing') return eraseOrder(life, report)
  const prepared = life.deployment?.prepared
  if (state === 'booting' && prepared?.path === 'image') {
    return await imageOrder(means, life, prepared, report, reached)
  }
  return WAIT
}

function eraseOrder(life: Life, report: DiscoveryReport): Ordered {
  const { disks, unnamed } = disksToErase(report)
  if (unnamed.length > 0) {
    const names = unnamed.join(', ')
    return { impossible: `${names}: neither WWN nor serial number; erase by hand, then retry` }
  }
  return { order: 'erase', how: life.erasure ?? 'quick', disks }
}

async function imageOrder(
  { grounds, records }: CommandMeans,
  life: Life,
  prepared: Prepared,
  report: DiscoveryReport,
  { url, urls }: NodeReach,
): Promise<Ordered> {
  const { deployment, bootMac, firmware } = life
  const inputs = await grounds.inputsOf(deployment?.instance ?? '')
  if (digestOf(inputs) !== prepared.digest) {
    return { impossible: 'the template or a file of it was changed since this boot was prepared' }
  }
  const now = fit(inputs.spec, report)
  if (!now.ok) return { impossible: causeOf(now.error) }
  const chosen = now.value.disks.map(({ link }) => link)
  if (chosen.join(' ') !== prepared.disks.join(' ')) {
    const found = `prepared for ${prepared.disks.join(', ')}, now it would be ${chosen.join(', ')}`
    return { impossible: `its disks are others than at its discovery: ${found}; retry if meant` }
  }
  // What is served was laid out on the report of then; sizes must be those.
  const then = await records.reportOf(life, prepared.reportId)
  if (then === undefined) return { impossible: 'the report that this was prepared for is gone' }
  const source = await readySource(grounds.media, inputs, AbortSignal.timeout(READY_MS))
  const planned = planDeployment({
    inputs,
    report: then,
    bootMac,
    firmware,
    source,
    nodeUrl: url,
    serverUrl: urls.http,
  })
  if (!planned.ok) return { impossible: causeOf(planned.error) }
  return { order: 'image', steps: planned.value.steps ?? [] }
}
