import { answerRouted, networkOfManifests, packetQuestion } from '@purlin/schema'
import type { Cli } from '../cli.ts'
import { CommandFailure, exitCodes } from '../exit-codes.ts'
import { readOfflineManifest } from '../offline-manifest.ts'
import { oneLine } from '../output/table.ts'

/** Lines of output that are written at once. */
const CHUNK_LINES = 256

/** Answers the questions of a file by a manifest alone, one line each in their order; a line that
 *  is no question gets an error with its number, and the exit code says so.
 *  Errors: ManifestRefused, CommandFailure. */
export async function answerBatch(
  cli: Cli,
  manifestFile: string | undefined,
  packets: string,
): Promise<void> {
  if (manifestFile === undefined) {
    throw new CommandFailure('--packets goes with -f MANIFEST', exitCodes.usage)
  }
  if (manifestFile === '-' && packets === '-') {
    throw new CommandFailure('only one of -f and --packets can be standard input', exitCodes.usage)
  }
  if (cli.output === 'yaml') {
    throw new CommandFailure('a batch is answered with -o json or table', exitCodes.usage)
  }
  const manifests = await readOfflineManifest(cli, manifestFile)
  const { answerLine, desiredOfManifest, explainPacket } = await import('@purlin/netfilter')
  const desired = desiredOfManifest(manifests)
  const network = networkOfManifests(manifests)
  const { stdout } = cli.streams
  const json = cli.output === 'json'
  let chunk: string[] = []
  let refused = 0
  let number = 0
  for await (const text of linesOf(cli, packets)) {
    number++
    if (text.trim() === '') continue
    const byLists = answerLine(desired, text, number)
    if ('message' in byLists) refused++
    const answer =
      'message' in byLists
        ? byLists
        : answerRouted(network, packetQuestion.parse(JSON.parse(text)), byLists, (question) =>
            explainPacket(desired, question),
          )
    chunk.push(json ? JSON.stringify(answer) : lineText(answer))
    if (chunk.length < CHUNK_LINES) continue
    stdout.write(`${chunk.join('\n')}\n`)
    chunk = []
    await stdout.drained()
  }
  if (chunk.length > 0) stdout.write(`${chunk.join('\n')}\n`)
  if (refused === 0) return
  cli.say(`${packets}: ${refused} of ${number} lines could not be answered`)
  cli.exitCode = exitCodes.refused
}

async function* linesOf(cli: Cli, file: string): AsyncIterable<string> {
  try {
    yield* cli.streams.readLines(file)
  } catch (thrown) {
    const found = thrown instanceof Error ? thrown.message : String(thrown)
    throw new CommandFailure(`${file}: cannot be read: ${found}`)
  }
}

type Answer = ReturnType<typeof import('@purlin/netfilter').answerLine>

/** `allow web-1/eth0 inbound rule web 0`, or the error of the line. */
function lineText(answer: Answer): string {
  if ('message' in answer) return oneLine(answer.message)
  const { nic, direction, type, group, priority } = answer.decidedBy
  const words = [answer.verdict, nic, direction, type, group, priority]
  return words.filter((word) => word !== undefined).join(' ')
}
