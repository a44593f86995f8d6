import { run } from '@purlin/base'
import type { CommandMeans } from './carry-out.ts'
import { checkAnswer } from './check-answer.ts'
import type { CommandOutcome } from './event.ts'
import type { Life, Prepared } from './life.ts'
import { causeOf, digestOf, planDeployment } from './plan-deployment.ts'
import type { InstanceInputs, ReadyImage, ReadyMedium } from './ports.ts'

/** Stands for what is only known when the node boots. */
const SERVER = 'http://boot.server'

/** Gets everything ready before the power goes on: media fetched, the template laid out on the
 *  newest report, every file rendered once. Nothing is switched. */
export async function prepare(
  { grounds, records }: CommandMeans,
  life: Life,
  signal: AbortSignal,
): Promise<CommandOutcome> {
  const { deployment, reportId } = life
  const report = await records.reportOf(life)
  if (deployment === undefined || reportId === undefined || report === undefined) {
    return refusal('there is no discovery report to lay the template out on; discover it first')
  }
  const inputs = await grounds.inputsOf(deployment.instance)
  if (inputs.spec.monitoring && !(await grounds.agentAvailable())) {
    const advice = 'install the package of the agent, or say monitoring: false'
    return refusal(`the template asks for monitoring and there is no agent to install; ${advice}`)
  }
  const source = await readySource(grounds.media, inputs, signal)
  const bmc = await grounds.bmcOf(life.chassis)
  const identity = await bmc.identity({ signal })
  const { bootMac, firmware } = life
  const planned = planDeployment({
    inputs,
    report,
    bootMac,
    firmware,
    source,
    nodeUrl: `${SERVER}/node/TOKEN`,
    serverUrl: SERVER,
  })
  if (!planned.ok) return refusal(causeOf(planned.error))
  const { layout, answer, files } = planned.value
  if (answer !== undefined && 'kernel' in source) {
    const { run: runProgram = run } = grounds
    const wrong = await checkAnswer(runProgram, source.target, answer.content, signal)
    if (wrong !== '') return refusal(`the answers for ${source.target} were refused by ${wrong}`)
  }
  const common = {
    files: [
      ...files.map(({ name }) => name),
      ...(inputs.spec.monitoring ? ['agent.sh'] : []),
      ...(answer === undefined ? [] : [answer.name, ...seedFiles(answer.name)]),
    ],
    disks: layout.disks.map(({ link }) => link),
    addresses: inputs.spec.network.addresses.flatMap(({ cidr }) => cidr?.split('/')[0] ?? []),
    reportId,
    digest: digestOf(inputs),
  }
  return { did: 'prepare', identity, prepared: { ...common, ...sourceOf(inputs, source, answer) } }
}

/** Beside `user-data` cloud-init wants two more files and takes none of them without the others. */
function seedFiles(answer: string): readonly string[] {
  return answer === 'user-data' ? ['meta-data', 'vendor-data'] : []
}

/** Fetches what is missing. Errors: PUR_MEDIA_*. */
export async function readySource(
  media: {
    readyMedium(name: string, signal: AbortSignal): Promise<ReadyMedium>
    readyImage(name: string, signal: AbortSignal): Promise<ReadyImage>
  },
  { source }: InstanceInputs,
  signal: AbortSignal,
): Promise<ReadyMedium | ReadyImage> {
  return 'media' in source
    ? await media.readyMedium(source.media, signal)
    : await media.readyImage(source.image, signal)
}

function sourceOf(
  { hostname }: InstanceInputs,
  source: ReadyMedium | ReadyImage,
  answer: { readonly name: string } | undefined,
):
  | Pick<Extract<Prepared, { path: 'image' }>, 'path' | 'image'>
  | Omit<
      Extract<Prepared, { path: 'install' }>,
      'files' | 'disks' | 'addresses' | 'reportId' | 'digest'
    > {
  if (!('kernel' in source)) return { path: 'image', image: source.name }
  const { name, target, kernel, initrds, tree, stage } = source
  return {
    path: 'install',
    target,
    medium: name,
    kernel,
    initrds,
    tree,
    ...(stage !== undefined && { stage }),
    answer: answer?.name ?? '',
    hostname,
  }
}

function refusal(cause: string): CommandOutcome {
  return { did: 'prepare-refused', code: 'PUR_LIFE_UNFIT', cause }
}
