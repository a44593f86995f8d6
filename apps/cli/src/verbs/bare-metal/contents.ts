import type { Command } from 'commander'
import type { Cli } from '../../cli.ts'
import { exitCodes } from '../../exit-codes.ts'
import { withBar } from '../../manifest-side.ts'
import { sizeText } from '../../output/byte-progress.ts'
import { planText } from '../../views/bare-metal/plan.ts'
import { printDescription } from '../describe.ts'
import { printResources } from '../get.ts'

interface CheckFlags {
  readonly chassis: string
  readonly media?: string
  readonly image?: string
  readonly files?: boolean
}

/** `purlin bm template`, `purlin bm media`, `purlin bm image` */
export function addContents(group: Command, cli: Cli): void {
  const template = listed('template', 'DeploymentTemplate', 'what an installed system is')
  template
    .command('check')
    .description('whether it fits a chassis, and what it would become; exit code 1: it does not')
    .argument('<name>')
    .requiredOption('--chassis <chassis>', 'by its newest report')
    .option('--media <media>', 'as its installer would be answered')
    .option('--image <image>', 'as the image would be written')
    .option('--files', 'the answer file and the scripts too, without secrets')
    .action((name: string, flags: CheckFlags) => check(cli, name, flags))
  for (const [word, kind, about] of [
    ['media', 'InstallMedia', 'media of installers'],
    ['image', 'Image', 'root images'],
  ] as const) {
    listed(word, kind, about)
      .command('upload')
      .description('send its file; one that was cut off goes on, one that is there is not sent')
      .argument('<name>')
      .argument('<file>')
      .action((name: string, file: string) => upload(cli, kind, name, file))
  }

  function listed(
    word: string,
    kind: 'DeploymentTemplate' | 'InstallMedia' | 'Image',
    about: string,
  ): Command {
    const command = group.command(word).description(about)
    command
      .command('list')
      .description(`all of them`)
      .action(() => printResources(cli, kind, undefined))
    command
      .command('show')
      .description('one of them with its conditions and recent events')
      .argument('<name>')
      .action((name: string) => printDescription(cli, kind, name))
    return command
  }
}

async function check(cli: Cli, name: string, flags: CheckFlags): Promise<void> {
  const { chassis, media, image } = flags
  const source = media !== undefined ? { media } : image !== undefined ? { image } : undefined
  const plan = await cli.metal.deploymentTemplates.check(name, {
    chassis,
    ...(source && { source }),
  })
  cli.print(plan, () => planText(plan, cli.colours, flags.files === true))
  if (plan.problems.length > 0) cli.exitCode = exitCodes.failed
}

async function upload(
  cli: Cli,
  kind: 'InstallMedia' | 'Image',
  name: string,
  file: string,
): Promise<void> {
  const collection = kind === 'Image' ? cli.metal.images : cli.metal.installMedia
  const { signal } = cli.streams
  const status = await withBar(cli, name, (onProgress) =>
    collection.upload(name, file, { signal, onProgress }),
  )
  cli.print(status, () => {
    const size = status.sizeBytes === undefined ? '' : `, ${sizeText(status.sizeBytes)}`
    return `${name}: ${status.state}${size}, SHA-256 ${status.sha256 ?? 'not known'}\n`
  })
}
