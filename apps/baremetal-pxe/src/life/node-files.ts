import { type NodeFile, type NodeReach, type Refusal, refusal } from '@purlin/boot-service'
import type { CommandMeans } from './carry-out.ts'
import type { Life } from './life.ts'
import { causeOf, digestOf, planDeployment } from './plan-deployment.ts'
import { readySource } from './prepare.ts'

/** Renders a file for a node when it asks: nothing rendered is kept, so nothing with a secret lies
 *  about. What was prepared must still be so. */
export async function nodeFile(
  { grounds, records }: CommandMeans,
  life: Life,
  name: string,
  { token, urls }: NodeReach,
): Promise<NodeFile | Refusal> {
  const prepared = life.deployment?.prepared
  if (prepared === undefined || life.deployment === undefined || !prepared.files.includes(name)) {
    return refusal(404, `there is no file ${name} for this boot`)
  }
  const { instance } = life.deployment
  if (name === 'meta-data') return { ok: true, once: false, content: `instance-id: ${instance}\n` }
  if (name === 'vendor-data') return { ok: true, once: false, content: '#cloud-config\n{}\n' }
  if (name === 'agent.sh') {
    if (urls.https === undefined) return refusal(409, 'metrics are pushed over HTTPS, which is off')
    const content = await grounds.agentScript({ instance, chassis: life.chassis }, urls.https)
    return { ok: true, once: true, content }
  }
  const inputs = await grounds.inputsOf(instance)
  if (digestOf(inputs) !== prepared.digest) {
    return refusal(409, 'the template or a file of it was changed since this boot was prepared')
  }
  const report = await records.reportOf(life, prepared.reportId)
  if (report === undefined) return refusal(409, 'the report that this was prepared for is gone')
  const signal = AbortSignal.timeout(READY_MS)
  const planned = planDeployment({
    inputs,
    report,
    bootMac: life.bootMac,
    firmware: life.firmware,
    source: await readySource(grounds.media, inputs, signal),
    // Installers and the systems they install know no authority of ours.
    nodeUrl: `${urls.http}/node/${token}`,
    serverUrl: urls.http,
  })
  if (!planned.ok) return refusal(409, causeOf(planned.error))
  const { answer, files } = planned.value
  const found = [...(answer === undefined ? [] : [answer]), ...files].find(
    (each) => each.name === name,
  )
  if (found === undefined) return refusal(404, `there is no file ${name} for this boot`)
  return { ok: true, once: found.secret, content: found.content }
}

/** Media are there since preparing; this only finds them. */
const READY_MS = 30_000
