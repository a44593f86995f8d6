import { type Command, InvalidArgumentError, Option } from 'commander'
import type { Cli } from '../cli.ts'
import { CommandFailure, exitCodes } from '../exit-codes.ts'
import { ByteProgress, sizeText } from '../output/byte-progress.ts'
import { decodedText, encodedText, repairText, verifyText } from '../views/shard-table.ts'

// The library is loaded on demand, its types too.
type CodecOptions = import('@purlin/ec-native').CodecOptions
type FileNote = import('@purlin/ec-native').FileNote
type FileProgress = import('@purlin/ec-native').FileProgress

interface EncodeFlags {
  readonly dataShards: number
  readonly parityShards: number
  readonly technique?: CodecOptions['technique']
  readonly out?: string
  readonly shardBytes?: number
  readonly force: boolean
}

/** `purlin ec`: files as shards. Works without an agent; the library is loaded on demand. */
export function addErasureCoding(program: Command, cli: Cli): void {
  const ec = program.command('ec').description('files as shards that survive losses')
  ec.command('encode')
    .description('make shard files of a file: NAME.shard-00 and on')
    .argument('<file>')
    .requiredOption('-k, --data-shards <number>', 'shards that hold the data', shardCount)
    .requiredOption('-m, --parity-shards <number>', 'shards that may be lost', shardCount)
    .addOption(
      new Option('--technique <name>', 'matrix of the code; by default the faster that is safe')
        // The library that knows them is not loaded for a word of help.
        .choices(['reed_sol_van', 'cauchy']),
    )
    .option('--out <folder>', 'where the shards go; by default beside the file')
    .option('--shard-bytes <size>', 'bytes of a shard in a stripe, as 64K or 1M', sizeBytes)
    .option('--force', 'replace shard files that are there', false)
    .action((file: string, flags: EncodeFlags) => encode(cli, file, flags))
  ec.command('verify')
    .description('read all of the shards and say what is damaged; exit code 1 where anything is')
    .argument('<shards...>', 'shard files, or a folder of them')
    .action((shards: string[]) => verify(cli, shards))
  ec.command('repair')
    .description('write the shard files anew that are missing or damaged')
    .argument('<shards...>', 'shard files, or a folder of them')
    .action((shards: string[]) => repair(cli, shards))
  ec.command('decode')
    .alias('restore')
    .description('join shard files into the file they were made of')
    .argument('<shards...>', 'shard files, or a folder of them')
    .option('--out <file>', 'the file to make; by default the shards’ name, in this folder')
    .option('--force', 'replace a file that is there', false)
    .action((shards: string[], flags: { out?: string; force: boolean }) =>
      decode(cli, shards, flags),
    )
}

async function encode(cli: Cli, file: string, flags: EncodeFlags): Promise<void> {
  const { encodeFile } = await import('@purlin/ec-native')
  const { dataShards, parityShards, technique, out, shardBytes, force } = flags
  const shape: CodecOptions = { dataShards, parityShards, ...(technique && { technique }) }
  const result = await withProgress(cli, `encode ${file}`, (work) =>
    encodeFile(file, {
      ...shape,
      ...work,
      ...(out !== undefined && { folder: out }),
      ...(shardBytes !== undefined && { shardBytes }),
      replace: force,
    }),
  )
  cli.print(result, () => encodedText(result, file, cli.colours))
}

async function verify(cli: Cli, shards: readonly string[]): Promise<void> {
  const { verifyFiles } = await import('@purlin/ec-native')
  const report = await withProgress(cli, 'verify', (work) => verifyFiles(shards, work))
  sayNotes(cli, report.notes)
  cli.print(report, () => verifyText(report, cli.colours))
  if (!report.whole) cli.exitCode = exitCodes.failed
}

async function repair(cli: Cli, shards: readonly string[]): Promise<void> {
  const { repairFiles } = await import('@purlin/ec-native')
  const result = await withProgress(cli, 'repair', (work) => repairFiles(shards, work))
  sayNotes(cli, result.found.notes)
  cli.print(result, () => repairText(result))
}

async function decode(
  cli: Cli,
  shards: readonly string[],
  { out, force }: { readonly out?: string; readonly force: boolean },
): Promise<void> {
  const { decodeFiles } = await import('@purlin/ec-native')
  const target = out ?? (await usualTarget(shards))
  const result = await withProgress(cli, `decode ${target}`, (work) =>
    decodeFiles(shards, target, { ...work, replace: force }),
  )
  sayNotes(cli, result.notes)
  cli.print(result, () => decodedText(result))
}

/** The name that the shards carry, in the working folder. Errors: CommandFailure (usage). */
async function usualTarget(inputs: readonly string[]): Promise<string> {
  const { nameOfShards } = await import('@purlin/ec-native')
  const name = await nameOfShards(inputs)
  if (name !== undefined) return name
  throw new CommandFailure('the shards do not tell a name; give --out FILE', exitCodes.usage)
}

interface Work {
  readonly signal: AbortSignal
  readonly onProgress: (progress: FileProgress) => void
}

async function withProgress<Result>(
  { streams }: Cli,
  title: string,
  step: (work: Work) => Promise<Result>,
): Promise<Result> {
  const progress = new ByteProgress(streams.stderr, title)
  try {
    return await step({
      signal: streams.signal,
      onProgress: ({ doneBytes, totalBytes }) => progress.show(doneBytes, totalBytes),
    })
  } finally {
    progress.clear()
  }
}

function sayNotes(cli: Cli, notes: readonly FileNote[]): void {
  for (const { path, what } of notes) cli.say(`${path}: ${what}`)
}

function shardCount(text: string): number {
  if (/^[1-9]\d{0,2}$/.test(text) && Number(text) <= 255) return Number(text)
  throw new InvalidArgumentError('must be a whole number from 1 to 255.')
}

const SIZE = /^(\d{1,12})([KM]?)(?:i?B)?$/i
const SIZE_MAX_BYTES = 64 * 1024 * 1024

function sizeBytes(text: string): number {
  const match = SIZE.exec(text)
  const unit = { '': 1, k: 1024, m: 1024 * 1024 }[match?.[2]?.toLowerCase() ?? ''] ?? 1
  const bytes = Number(match?.[1] ?? 0) * unit
  if (bytes >= 1 && bytes <= SIZE_MAX_BYTES) return bytes
  throw new InvalidArgumentError(`must be a size from 1 to ${sizeText(SIZE_MAX_BYTES)}.`)
}
